"""Clients made of URLs and connection strings, and calls that no other file has."""

from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient, ContainerClient
from clients import SERVICE, container
from harness import ACCOUNT, BLOB, CREDENTIAL, KEY, equal, pattern, refuses, test

CONNECTION = (
    f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={BLOB};"
)


@test
def clients_are_made_of_connection_strings_and_urls():
    holder = container("made")
    name = holder.container_name
    holder.upload_blob("b", b"x")
    with BlobServiceClient.from_connection_string(CONNECTION) as service:
        equal(service.get_container_client(name).exists(), True)
    with ContainerClient.from_connection_string(CONNECTION, name) as made:
        equal(list(made.list_blob_names()), ["b"])
    with ContainerClient.from_container_url(holder.url, credential=CREDENTIAL) as made:
        equal(made.download_blob("b").readall(), b"x")
    with BlobClient.from_connection_string(CONNECTION, name, "b") as made:
        equal(made.download_blob().readall(), b"x")
    url = holder.get_blob_client("b").url
    with BlobClient.from_blob_url(url, credential=CREDENTIAL) as made:
        equal(made.get_blob_properties().size, 1)


@test
def names_are_listed_alone():
    holder = container("names-alone")
    for name in ("a/1", "a/2", "b"):
        holder.upload_blob(name, b"x")
    equal(list(holder.list_blob_names()), ["a/1", "a/2", "b"])
    equal(list(holder.list_blob_names(name_starts_with="a/")), ["a/1", "a/2"])


@test
def a_lease_client_of_its_own_acquires():
    holder = container("leaser")
    holder.upload_blob("b", b"x")
    lease = BlobLeaseClient(holder.get_blob_client("b"))
    lease.acquire(lease_duration=15)
    equal(holder.get_blob_client("b").get_blob_properties().lease.state, "leased")
    refuses(412, "LeaseIdMissing", holder.delete_blob, "b")
    lease.release()
    holder.delete_blob("b")


@test
def changes_are_listed_by_the_url_of_a_snapshot():
    client = container("managed").get_blob_client("disk")
    client.create_page_blob(8 * 512)
    client.upload_page(pattern(1024, 1), 0, 1024)
    taken = client.create_snapshot()["snapshot"]
    client.upload_page(pattern(512, 2), 2048, 512)
    client.clear_page(512, 512)
    url = f"{client.url}?snapshot={taken}"
    pages, cleared = client.get_page_range_diff_for_managed_disk(url)
    equal([(part["start"], part["end"]) for part in pages], [(2048, 2559)])
    equal([(part["start"], part["end"]) for part in cleared], [(512, 1023)])


@test
def statistics_are_of_the_secondary_alone():
    # Azure refuses the operation at the primary endpoint, and the SDK asks the secondary one.
    refuses(400, "InvalidQueryParameterValue", SERVICE._client.service.get_statistics)


@test
def page_blobs_of_a_standard_account_have_no_tiers():
    holder = container("premium")
    client = holder.get_blob_client("disk")
    client.create_page_blob(512)
    code = "AccessTierNotSupportedForBlobType"
    refuses(400, code, client.set_premium_page_blob_tier, "P10")
    answers = holder.set_premium_page_blob_tier_blobs("P10", "disk", raise_on_any_failure=False)
    equal([answer.status_code for answer in answers], [400])
