"""The asynchronous half of the SDK: many requests at once, and races that one side must win."""

import asyncio
import hashlib

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobServiceClient
from clients import container
from harness import BLOB, CREDENTIAL, block_id, equal, pattern, refuses_async, test


def client_of(holder):
    """An asynchronous client of the container of `holder`."""
    service = BlobServiceClient(BLOB, credential=CREDENTIAL, retry_total=0)
    return service, service.get_container_client(holder.container_name)


async def outcomes(calls):
    """The number of calls that succeeded, and the statuses of the others."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, HttpResponseError):
            raise failure
    return len(results) - len(failures), sorted({failure.status_code for failure in failures})


@test
async def many_blobs_at_once():
    service, client = client_of(container("many"))
    async with service:
        limit = asyncio.Semaphore(16)

        async def one(number):
            async with limit:
                data = pattern(1000 + number * 37, number)
                blob = client.get_blob_client(f"{number:03}")
                await blob.upload_blob(data)
                equal(await (await blob.download_blob()).readall(), data)

        await asyncio.gather(*[one(number) for number in range(120)])
        names = [item.name async for item in client.list_blobs(results_per_page=50)]
        equal(names, [f"{number:03}" for number in range(120)])


@test
async def a_large_blob_in_parallel():
    service, client = client_of(container("alarge"))
    async with service:
        data = pattern(12 << 20, 9)
        blob = client.get_blob_client("large")
        await blob.upload_blob(data, max_concurrency=4)
        found = await (await blob.download_blob(max_concurrency=4)).readall()
        equal(hashlib.sha256(found).digest(), hashlib.sha256(data).digest())


@test
async def one_of_many_creators_wins():
    service, client = client_of(container("arace"))
    async with service:
        blob = client.get_blob_client("b")
        calls = [
            blob.upload_blob(b"%d" % number, match_condition=MatchConditions.IfMissing)
            for number in range(20)
        ]
        won, statuses = await outcomes(calls)
        equal((won, statuses), (1, [409]))


@test
async def no_increment_is_lost():
    service, client = client_of(container("acas"))
    async with service:
        blob = client.get_blob_client("b")
        await blob.upload_blob(b"0")

        async def increment():
            for _ in range(1000):
                download = await blob.download_blob()
                value = int(await download.readall())
                try:
                    await blob.upload_blob(
                        b"%d" % (value + 1),
                        overwrite=True,
                        etag=download.properties.etag,
                        match_condition=MatchConditions.IfNotModified,
                    )
                    return
                except HttpResponseError as error:
                    equal(error.status_code, 412)
            raise AssertionError("1,000 tries were not enough")

        await asyncio.gather(*[increment() for _ in range(15)])
        equal(await (await blob.download_blob()).readall(), b"15")


@test
async def one_of_many_leases_is_given():
    service, client = client_of(container("alease"))
    async with service:
        blob = client.get_blob_client("b")
        await blob.upload_blob(b"x")
        won, statuses = await outcomes([blob.acquire_lease(lease_duration=15) for _ in range(15)])
        equal((won, statuses), (1, [409]))


@test
async def blocks_staged_at_once_are_all_there():
    service, client = client_of(container("ablocks"))
    async with service:
        blob = client.get_blob_client("b")
        parts = [pattern(20_000, number) for number in range(24)]
        await asyncio.gather(
            *[blob.stage_block(block_id(number), part) for number, part in enumerate(parts)]
        )
        await blob.commit_block_list([BlobBlock(block_id(number)) for number in range(24)])
        equal(await (await blob.download_blob()).readall(), b"".join(parts))


@test
async def walking_and_refusals():
    service, client = client_of(container("awalk"))
    async with service:
        for name in ["a/1", "a/2", "b"]:
            await client.upload_blob(name, b"x")
        equal([item.name async for item in client.walk_blobs()], ["a/", "b"])
        await refuses_async(404, "BlobNotFound", client.get_blob_client("no").get_blob_properties())
        await refuses_async(409, "BlobAlreadyExists", client.upload_blob("b", b"y"))
        answers = [answer.status_code async for answer in await client.delete_blobs("a/1", "a/2")]
        equal(answers, [202, 202])
        await client.delete_container()
        await refuses_async(404, "ContainerNotFound", client.get_container_properties())
