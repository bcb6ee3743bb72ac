// Append blobs through the JavaScript SDK.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { container, pattern, readable, refuses } from "./harness.mjs";

test("an append blob grows block by block", async () => {
  const blob = container.getAppendBlobClient("append");
  await blob.create({ metadata: { a: "b" }, blobHTTPHeaders: { blobContentType: "text/x" } });
  assert.equal((await blob.createIfNotExists()).succeeded, false);
  const parts = [pattern(1000, 1), pattern(70_000, 2), pattern(1, 3)];
  let offset = 0;
  for (const [number, part] of parts.entries()) {
    const answer = await blob.appendBlock(part, part.length, {
      transactionalContentMD5: createHash("md5").update(part).digest(),
    });
    assert.equal(Number(answer.blobAppendOffset), offset);
    assert.equal(answer.blobCommittedBlockCount, number + 1);
    offset += part.length;
  }
  assert.deepEqual(await blob.downloadToBuffer(), Buffer.concat(parts));
  const properties = await blob.getProperties();
  assert.equal(properties.blobType, "AppendBlob");
  assert.equal(properties.contentType, "text/x");
  assert.equal(properties.blobCommittedBlockCount, 3);
  await refuses(409, "InvalidBlobType", container.getBlockBlobClient("append").upload("x", 1));
  const wrong = { transactionalContentMD5: Buffer.alloc(16) };
  await refuses(400, "Md5Mismatch", blob.appendBlock("x", 1, wrong));
  await refuses(404, "BlobNotFound", container.getAppendBlobClient("append no").appendBlock("x", 1));
});

test("conditions on the place of a block hold", async () => {
  const blob = container.getAppendBlobClient("append conditions");
  await blob.create();
  await blob.appendBlock("one", 3, { conditions: { appendPosition: 0, maxSize: 3 } });
  const place = blob.appendBlock("two", 3, { conditions: { appendPosition: 2 } });
  await refuses(412, "AppendPositionConditionNotMet", place);
  const size = blob.appendBlock("two", 3, { conditions: { maxSize: 5 } });
  await refuses(412, "MaxBlobSizeConditionNotMet", size);
  const { etag } = await blob.getProperties();
  await blob.appendBlock("two", 3, { conditions: { ifMatch: etag } });
  await refuses(412, "ConditionNotMet", blob.appendBlock("x", 1, { conditions: { ifMatch: etag } }));
  assert.equal((await blob.downloadToBuffer()).toString(), "onetwo");
});

test("a block comes from a URL", async () => {
  const source = container.getBlockBlobClient("append source");
  const data = pattern(5000, 4);
  await source.upload(data, data.length);
  const url = await readable(source);
  const blob = container.getAppendBlobClient("append from url");
  await blob.create();
  const answer = await blob.appendBlockFromURL(url, 1000, 500, {
    sourceContentMD5: createHash("md5").update(data.subarray(1000, 1500)).digest(),
  });
  assert.equal(Number(answer.blobAppendOffset), 0);
  assert.deepEqual(await blob.downloadToBuffer(), data.subarray(1000, 1500));
  const conditions = { sourceConditions: { ifMatch: '"0x1"' } };
  await refuses(412, "SourceConditionNotMet", blob.appendBlockFromURL(url, 0, 10, conditions));
  await refuses(401, "CannotVerifyCopySource", blob.appendBlockFromURL(source.url, 0, 10));
});

test("a sealed blob takes no more", async () => {
  const blob = container.getAppendBlobClient("append sealed");
  await blob.create();
  await blob.appendBlock("x", 1);
  const wrong = blob.seal({ conditions: { appendPosition: 2 } });
  await refuses(412, "AppendPositionConditionNotMet", wrong);
  assert.equal((await blob.seal()).isSealed, true);
  assert.equal((await blob.getProperties()).isSealed, true);
  await refuses(409, "BlobIsSealed", blob.appendBlock("x", 1));
  await blob.setMetadata({ a: "b" });
  assert.equal((await blob.downloadToBuffer()).toString(), "x");
});
