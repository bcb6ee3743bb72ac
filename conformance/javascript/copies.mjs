// Copies through the JavaScript SDK: at once, begun, from a URL, of snapshots.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { blockId, container, options, pattern, readable, refuses, sdk, url } from "./harness.mjs";

const data = pattern(100_000, 5);
const md5 = () => createHash("md5").update(data).digest();

/** A new blob to copy. */
async function source(name) {
  const blob = container.getBlockBlobClient(name);
  await blob.upload(data, data.length, {
    blobHTTPHeaders: { blobContentType: "text/x" }, metadata: { a: "b" }, tags: { t: "1" },
  });
  return blob;
}

test("a copy from a URL is done when it answers", async () => {
  const from = await source("sync source");
  const to = container.getBlockBlobClient("sync target");
  const link = await readable(from, "rt");
  const answer = await to.syncCopyFromURL(link, { sourceContentMD5: md5(), copySourceTags: "COPY" });
  assert.equal(answer.copyStatus, "success");
  assert.deepEqual(await to.downloadToBuffer(), data);
  const properties = await to.getProperties();
  assert.equal(properties.copyId, answer.copyId);
  assert.deepEqual([properties.contentType, properties.metadata], ["text/x", { a: "b" }]);
  assert.deepEqual((await to.getTags()).tags, { t: "1" });
  await refuses(401, "CannotVerifyCopySource", to.syncCopyFromURL(from.url));
  await refuses(400, "Md5Mismatch", to.syncCopyFromURL(link, { sourceContentMD5: Buffer.alloc(16) }));
});

test("Put Blob From URL makes a blob", async () => {
  const from = await source("put source");
  const to = container.getBlockBlobClient("put target");
  const link = await readable(from);
  await to.syncUploadFromURL(link, { metadata: { c: "d" }, tier: "Cool" });
  assert.deepEqual(await to.downloadToBuffer(), data);
  const properties = await to.getProperties();
  assert.deepEqual([properties.accessTier, properties.contentType], ["Cool", "text/x"]);
  assert.deepEqual(properties.metadata, { c: "d" });
  const changed = { sourceConditions: { ifNoneMatch: (await from.getProperties()).etag } };
  await refuses(412, "SourceConditionNotMet", to.syncUploadFromURL(link, changed));
  const bare = container.getBlockBlobClient("put bare");
  await bare.syncUploadFromURL(link, { copySourceBlobProperties: false });
  assert.notEqual((await bare.getProperties()).contentType, "text/x");
});

test("blocks come from a URL", async () => {
  const link = await readable(await source("block source"));
  const to = container.getBlockBlobClient("block target");
  await to.stageBlockFromURL(blockId(0), link, 100, 50_000);
  await to.stageBlockFromURL(blockId(1), link, 0, undefined, { sourceContentMD5: md5() });
  await to.commitBlockList([blockId(0), blockId(1)]);
  const wanted = Buffer.concat([data.subarray(100, 50_100), data]);
  assert.equal(Buffer.compare(await to.downloadToBuffer(), wanted), 0);
  const wrong = { sourceContentMD5: Buffer.alloc(16) };
  await refuses(400, "Md5Mismatch", to.stageBlockFromURL(blockId(2), link, 0, 10, wrong));
});

test("what is no longer pending cannot be aborted", async () => {
  const from = await source("abort source");
  const to = container.getBlockBlobClient("abort target");
  const poller = await to.beginCopyFromURL(from.url, { intervalInMs: 20, metadata: { m: "1" } });
  const { copyId } = await poller.pollUntilDone();
  assert.deepEqual((await to.getProperties()).metadata, { m: "1" });
  await refuses(409, "NoPendingCopyOperation", to.abortCopyFromURL(copyId));
  const gone = container.getBlockBlobClient("abort no");
  await refuses(404, "CannotVerifyCopySource", to.beginCopyFromURL(gone.url));
});

test("a snapshot is promoted by copying it", async () => {
  const blob = container.getBlockBlobClient("promote");
  await blob.upload("one", 3);
  const { snapshot } = await blob.createSnapshot({ metadata: { of: "one" } });
  await blob.upload("two", 3);
  const taken = blob.withSnapshot(snapshot);
  assert.deepEqual((await taken.getProperties()).metadata, { of: "one" });
  const poller = await blob.beginCopyFromURL(taken.url, { intervalInMs: 20 });
  assert.equal((await poller.pollUntilDone()).copyStatus, "success");
  assert.equal((await blob.downloadToBuffer()).toString(), "one");
  await refuses(409, "SnapshotsPresent", blob.delete());
  await blob.delete({ deleteSnapshots: "only" });
  assert.equal(await taken.exists(), false);
  await blob.delete();
});

test("copies keep the type of their source", async () => {
  const append = container.getAppendBlobClient("type append");
  await append.create();
  await append.appendBlock("one", 3);
  await append.seal();
  const target = container.getAppendBlobClient("type append copy");
  await (await target.beginCopyFromURL(append.url, { intervalInMs: 20 })).pollUntilDone();
  const properties = await target.getProperties();
  assert.deepEqual([properties.blobType, properties.isSealed], ["AppendBlob", true]);
  assert.equal(properties.blobCommittedBlockCount, 1);
  const block = container.getBlockBlobClient("type block");
  await block.upload("x", 1);
  await refuses(409, "InvalidBlobType", block.beginCopyFromURL(append.url));
  const sync = container.getBlockBlobClient("type sync").syncCopyFromURL(await readable(append));
  await refuses(409, "InvalidSourceBlobType", sync);
});

test("a token for the source is refused where nobody has one", async () => {
  const from = await source("token source");
  const to = container.getBlockBlobClient("token target");
  const sourceAuthorization = { scheme: "Bearer", value: "nobody" };
  const sync = to.syncCopyFromURL(from.url, { sourceAuthorization });
  await refuses(url.startsWith("https:") ? 401 : 403, "CannotVerifyCopySource", sync);
  const anonymous = new sdk.BlockBlobClient(to.url, undefined, options);
  assert.equal(await to.exists(), false);
  await refuses(401, undefined, anonymous.download());
});
