// Properties, tiers, tags and batches of blobs through the JavaScript SDK.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { collect, container, pattern, refuses, service } from "./harness.mjs";

test("headers and metadata are replaced", async () => {
  const blob = container.getBlockBlobClient("properties");
  await blob.upload("x", 1, { metadata: { a: "b" } });
  const first = await blob.getProperties();
  await blob.setHTTPHeaders({ blobContentType: "text/y", blobContentLanguage: "de", blobContentEncoding: "br" });
  await blob.setMetadata({ c: "d" });
  const second = await blob.getProperties();
  assert.deepEqual(
    [second.contentType, second.contentLanguage, second.contentEncoding, second.metadata],
    ["text/y", "de", "br", { c: "d" }],
  );
  assert.notEqual(first.etag, second.etag);
  assert.deepEqual(first.createdOn, second.createdOn);
  assert.equal((await container.deleteBlob("properties")).errorCode, undefined);
  assert.equal((await blob.deleteIfExists()).succeeded, false);
});

test("uploads and downloads take every way", async () => {
  const data = pattern(300_000, 6);
  const blob = container.getBlockBlobClient("ways");
  const folder = await mkdtemp(join(tmpdir(), "conf-js-"));
  try {
    const [there, back] = [join(folder, "there"), join(folder, "back")];
    await writeFile(there, data);
    await blob.uploadFile(there, { blockSize: 64 << 10, maxSingleShotSize: 1 });
    await blob.downloadToFile(back);
    assert.equal(Buffer.compare(await readFile(back), data), 0);
  } finally {
    await rm(folder, { recursive: true });
  }
  await blob.uploadData(data.subarray(0, 1000));
  const answer = await blob.download(10, 20, { rangeGetContentMD5: true });
  assert.equal(answer.contentMD5?.length, 16);
  const read = Buffer.concat(await collect(answer.readableStreamBody));
  assert.equal(Buffer.compare(read, data.subarray(10, 30)), 0);
  const { blockBlobClient } = await container.uploadBlockBlob("ways too", "x", 1);
  assert.equal((await blockBlobClient.downloadToBuffer()).toString(), "x");
  await refuses(416, "InvalidRange", blob.download(5000));
});

test("tiers are set, and an archived blob comes back", async () => {
  const blob = container.getBlockBlobClient("tier");
  await blob.upload("x", 1, { tier: "Cool" });
  const cool = await blob.getProperties();
  assert.deepEqual([cool.accessTier, cool.accessTierInferred ?? false], ["Cool", false]);
  await blob.setAccessTier("Hot");
  await blob.setAccessTier("Archive");
  await refuses(409, "BlobArchived", blob.download());
  const copy = container.getBlockBlobClient("tier copy");
  await copy.beginCopyFromURL(blob.url, { tier: "Hot", rehydratePriority: "High" });
  assert.match((await copy.getProperties()).archiveStatus, /^rehydrate-pending-to-hot$/);
  await blob.setAccessTier("Cool", { rehydratePriority: "Standard" });
  const waking = await blob.getProperties();
  assert.equal(waking.archiveStatus, "rehydrate-pending-to-cool");
  assert.equal(waking.rehydratePriority, "Standard");
  await refuses(409, "BlobBeingRehydrated", blob.setAccessTier("Hot"));
  const append = container.getAppendBlobClient("tier append");
  await append.create();
  await refuses(400, "AccessTierNotSupportedForBlobType", append.setAccessTier("Cool"));
});

test("tags are conditions, and found in a container and page by page", async () => {
  const own = service.getContainerClient(`${container.containerName}-tags`);
  await own.create();
  try {
    for (const number of [0, 1, 2, 3]) {
      const tags = { run: container.containerName, n: `${number}` };
      await own.getBlockBlobClient(`b${number}`).upload("x", 1, { tags });
    }
    const names = async (client, where) =>
      (await collect(client.findBlobsByTags(where))).map((item) => item.name);
    const all = `run='${container.containerName}'`;
    assert.deepEqual(await names(own, all), ["b0", "b1", "b2", "b3"]);
    assert.deepEqual(await names(own, `${all} AND n>'0' AND n<='2'`), ["b1", "b2"]);
    const inside = `@container='${own.containerName}' AND n='3'`;
    assert.deepEqual(await names(service, inside), ["b3"]);
    const pages = await collect(service.findBlobsByTags(all).byPage({ maxPageSize: 3 }));
    assert.deepEqual(pages.map((page) => page.blobs.length), [3, 1]);
    await refuses(400, undefined, names(service, "n>"));
    const blob = own.getBlockBlobClient("b0");
    const done = { conditions: { tagConditions: "n='9'" } };
    await refuses(412, "ConditionNotMet", blob.delete(done));
    await blob.setTags({ n: "9" });
    await refuses(400, undefined, blob.setTags(Object.fromEntries([...Array(11).keys()].map((k) => [`k${k}`, "v"]))));
    await blob.delete(done);
    const [listed] = await collect(own.listBlobsFlat({ includeTags: true, includeMetadata: true }));
    assert.deepEqual(listed.tags, { run: container.containerName, n: "1" });
  } finally {
    await own.delete();
  }
});

test("snapshots, copies and uncommitted blobs are listed when they are asked for", async () => {
  const blob = container.getBlockBlobClient("include/one");
  await blob.upload("x", 1);
  await blob.createSnapshot();
  await container.getBlockBlobClient("include/two").stageBlock("YWFh", "x", 1);
  const names = async (more) =>
    (await collect(container.listBlobsFlat({ prefix: "include/", ...more }))).map((item) => item.name);
  assert.deepEqual(await names({}), ["include/one"]);
  assert.deepEqual(await names({ includeSnapshots: true }), ["include/one", "include/one"]);
  assert.deepEqual(await names({ includeUncommitedBlobs: true }), ["include/one", "include/two"]);
});

test("a batch of its own making says what it did", async () => {
  const names = ["own batch/1", "own batch/2"];
  const blobs = names.map((name) => container.getBlockBlobClient(name));
  for (const blob of blobs) {
    await blob.upload("x", 1);
  }
  const client = container.getBlobBatchClient();
  const tiers = client.createBatch();
  await tiers.setBlobAccessTier(blobs[0], "Cold");
  await tiers.setBlobAccessTier(container.getBlobClient("own batch/no"), "Cold");
  const set = await client.submitBatch(tiers);
  assert.deepEqual(set.subResponses.map((answer) => answer.status), [200, 404]);
  assert.equal((await blobs[0].getProperties()).accessTier, "Cold");
  const deletes = client.createBatch();
  await blobs[1].createSnapshot();
  await deletes.deleteBlob(blobs[0]);
  await deletes.deleteBlob(blobs[1], { deleteSnapshots: "include" });
  const deleted = await client.submitBatch(deletes);
  assert.deepEqual(deleted.subResponses.map((answer) => answer.status), [202, 202]);
  assert.deepEqual(await collect(container.listBlobsFlat({ prefix: "own batch/" })), []);
});

test("what is asked about the account is answered", async () => {
  for (const client of [service, container, container.getBlobClient("none")]) {
    const information = await client.getAccountInfo();
    assert.ok(information.skuName && information.accountKind);
  }
  const before = await service.getProperties();
  await service.setProperties({ ...before, defaultServiceVersion: "2021-12-02" });
  assert.equal((await service.getProperties()).defaultServiceVersion, "2021-12-02");
  await service.setProperties(before);
  await refuses(400, "InvalidQueryParameterValue", service.getStatistics());
});
