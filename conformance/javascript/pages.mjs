// Page blobs through the JavaScript SDK.

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, container, pattern, readable, refuses } from "./harness.mjs";

const PAGE = 512;

/** A new page blob of so many pages. */
async function pageBlob(name, pages = 64, more = {}) {
  const blob = container.getPageBlobClient(name);
  await blob.create(pages * PAGE, more);
  return blob;
}

/** Ranges as pairs of first offset and length, which the SDK tells one byte short. */
const pairs = (ranges) => (ranges ?? []).map((range) => [range.offset, range.count + 1]);

test("a page blob is written and cleared", async () => {
  const blob = await pageBlob("page", 64, { metadata: { m: "1" }, blobSequenceNumber: 3 });
  assert.equal((await blob.createIfNotExists(PAGE)).succeeded, false);
  const data = pattern(4 * PAGE, 1);
  await blob.uploadPages(data, 2 * PAGE, data.length);
  await blob.clearPages(3 * PAGE, PAGE);
  const wanted = Buffer.concat([
    Buffer.alloc(2 * PAGE), data.subarray(0, PAGE), Buffer.alloc(PAGE), data.subarray(2 * PAGE),
    Buffer.alloc(58 * PAGE),
  ]);
  assert.equal(Buffer.compare(await blob.downloadToBuffer(), wanted), 0);
  const properties = await blob.getProperties();
  assert.equal(properties.blobType, "PageBlob");
  assert.equal(properties.contentLength, 64 * PAGE);
  assert.equal(properties.blobSequenceNumber, 3);
  await refuses(416, "InvalidPageRange", blob.uploadPages(data, 62 * PAGE, data.length));
  await refuses(416, "InvalidPageRange", blob.uploadPages("x", 0, 1));
});

test("page ranges are listed, at once and in parts", async () => {
  const blob = await pageBlob("page list");
  for (const first of [0, 1, 10, 20]) {
    await blob.uploadPages(pattern(PAGE, first), first * PAGE, PAGE);
  }
  const wanted = [[0, 2 * PAGE], [10 * PAGE, PAGE], [20 * PAGE, PAGE]];
  const list = await blob.getPageRanges(0, 64 * PAGE);
  assert.deepEqual([pairs(list.pageRange), pairs(list.clearRange)], [wanted, []]);
  const some = await blob.getPageRanges(PAGE, 10 * PAGE);
  assert.deepEqual(pairs(some.pageRange), [[PAGE, PAGE], [10 * PAGE, PAGE]]);
  const items = await collect(blob.listPageRanges(0, 64 * PAGE));
  assert.deepEqual(items.map((item) => item.start), wanted.map(([first]) => first));
  const parts = await collect(blob.listPageRanges(0, 64 * PAGE).byPage({ maxPageSize: 2 }));
  assert.deepEqual(parts.map((part) => pairs(part.pageRange).length), [2, 1]);
});

test("changes since a snapshot are listed", async () => {
  const blob = await pageBlob("page diff");
  await blob.uploadPages(Buffer.alloc(4 * PAGE, "a"), 0, 4 * PAGE);
  const { snapshot } = await blob.createSnapshot();
  await blob.uploadPages(Buffer.alloc(PAGE, "b"), PAGE, PAGE);
  await blob.clearPages(3 * PAGE, PAGE);
  const wanted = [[[PAGE, PAGE]], [[3 * PAGE, PAGE]]];
  const diff = await blob.getPageRangesDiff(0, 64 * PAGE, snapshot);
  assert.deepEqual([pairs(diff.pageRange), pairs(diff.clearRange)], wanted);
  const before = blob.withSnapshot(snapshot);
  const disk = await blob.getPageRangesDiffForManagedDisks(0, 64 * PAGE, before.url);
  assert.deepEqual([pairs(disk.pageRange), pairs(disk.clearRange)], wanted);
  const items = await collect(blob.listPageRangesDiff(0, 64 * PAGE, snapshot));
  assert.deepEqual(items.map((item) => [item.start, item.isClear]).sort((a, b) => a[0] - b[0]), [
    [PAGE, false], [3 * PAGE, true],
  ]);
  const read = await before.downloadToBuffer(0, 4 * PAGE);
  assert.equal(Buffer.compare(read, Buffer.alloc(4 * PAGE, "a")), 0);
});

test("a page blob is resized and its sequence number set", async () => {
  const blob = await pageBlob("page size", 8);
  await blob.uploadPages(Buffer.alloc(8 * PAGE, "a"), 0, 8 * PAGE);
  await blob.resize(4 * PAGE);
  await blob.resize(16 * PAGE);
  const wanted = Buffer.concat([Buffer.alloc(4 * PAGE, "a"), Buffer.alloc(12 * PAGE)]);
  assert.equal(Buffer.compare(await blob.downloadToBuffer(), wanted), 0);
  await blob.resize(2 ** 40);
  assert.equal((await blob.getProperties()).contentLength, 2 ** 40);
  assert.equal((await blob.updateSequenceNumber("update", 7)).blobSequenceNumber, 7);
  assert.equal((await blob.updateSequenceNumber("max", 5)).blobSequenceNumber, 7);
  assert.equal((await blob.updateSequenceNumber("increment")).blobSequenceNumber, 8);
  const page = Buffer.alloc(PAGE, "b");
  await blob.uploadPages(page, 0, PAGE, { conditions: { ifSequenceNumberLessThanOrEqualTo: 8 } });
  const code = "SequenceNumberConditionNotMet";
  const less = { conditions: { ifSequenceNumberLessThan: 8 } };
  await refuses(412, code, blob.uploadPages(page, 0, PAGE, less));
  const equal = { conditions: { ifSequenceNumberEqualTo: 7 } };
  await refuses(412, code, blob.clearPages(0, PAGE, equal));
});

test("pages come from a URL", async () => {
  const source = container.getBlockBlobClient("page source");
  const data = pattern(8 * PAGE, 9);
  await source.upload(data, data.length);
  const url = await readable(source);
  const blob = await pageBlob("page from url");
  await blob.uploadPagesFromURL(url, PAGE, 4 * PAGE, 2 * PAGE);
  const read = await blob.downloadToBuffer(4 * PAGE, 2 * PAGE);
  assert.equal(Buffer.compare(read, data.subarray(PAGE, 3 * PAGE)), 0);
  const gone = container.getBlockBlobClient("page source no");
  const missing = blob.uploadPagesFromURL(await readable(gone), 0, 0, PAGE);
  await refuses(404, "CannotVerifyCopySource", missing);
});

test("incremental copies make snapshots", async () => {
  const blob = await pageBlob("page incremental");
  await blob.uploadPages(Buffer.alloc(PAGE, "a"), 0, PAGE);
  const { snapshot } = await blob.createSnapshot();
  const copy = container.getPageBlobClient("page incremental copy");
  const answer = await copy.startCopyIncremental(blob.withSnapshot(snapshot).url);
  assert.equal(answer.copyStatus, "success");
  const properties = await copy.getProperties();
  assert.equal(properties.isIncrementalCopy, true);
  const made = copy.withSnapshot(properties.destinationSnapshot);
  const read = await made.downloadToBuffer(0, PAGE);
  assert.equal(Buffer.compare(read, Buffer.alloc(PAGE, "a")), 0);
  await refuses(409, undefined, copy.uploadPages(Buffer.alloc(PAGE), 0, PAGE));
});
