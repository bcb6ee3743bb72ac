"""Clients and resources that the tests share."""

from azure.storage.blob import BlobServiceClient
from harness import BLOB, CREDENTIAL, RUN


def service(**options):
    """A client of the service with small thresholds, so that little data takes every path."""
    settings = {
        "max_single_put_size": 1 << 20,
        "max_block_size": 256 << 10,
        "min_large_block_upload_threshold": 1,
        "max_single_get_size": 1 << 20,
        "max_chunk_get_size": 256 << 10,
        "retry_total": 0,
    }
    return BlobServiceClient(BLOB, credential=CREDENTIAL, **{**settings, **options})


SERVICE = service()


def container(tag, **options):
    """A new container of this run."""
    client = SERVICE.get_container_client(f"conf-{tag}-{RUN}")
    client.create_container(**options)
    return client
