// The official JavaScript SDK against a running Blob server, under Node's own test runner.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";

import { blockId, collect, container, credential, options, pattern, refuses, sdk, service } from "./harness.mjs";

// Importing a file registers its tests.
import "./access.mjs";
import "./appends.mjs";
import "./blobs.mjs";
import "./copies.mjs";
import "./leases.mjs";
import "./pages.mjs";

before(async () => {
  await container.create({ metadata: { suite: "js" } });
});

after(async () => {
  await container.deleteIfExists();
});

test("a container has its properties and refuses a second creation", async () => {
  const properties = await container.getProperties();
  assert.deepEqual(properties.metadata, { suite: "js" });
  assert.equal(properties.leaseState, "available");
  await refuses(409, "ContainerAlreadyExists", container.create());
  const names = await collect(service.listContainers({ prefix: container.containerName }));
  assert.deepEqual(names.map((item) => item.name), [container.containerName]);
});

test("a blob comes back as it went, with its properties", async () => {
  const blob = container.getBlockBlobClient("dir/ü 1+%.bin");
  const data = pattern(70_000, 1);
  await blob.upload(data, data.length, {
    blobHTTPHeaders: { blobContentType: "text/x", blobCacheControl: "no-store" },
    metadata: { key: "value" },
  });
  const properties = await blob.getProperties();
  assert.equal(properties.contentLength, data.length);
  assert.equal(properties.contentType, "text/x");
  assert.equal(properties.cacheControl, "no-store");
  assert.deepEqual(properties.metadata, { key: "value" });
  assert.deepEqual(
    Buffer.from(properties.contentMD5),
    createHash("md5").update(data).digest(),
  );
  assert.deepEqual(await blob.downloadToBuffer(), data);
  const part = await blob.downloadToBuffer(1000, 500);
  assert.deepEqual(part, data.subarray(1000, 1500));
});

test("missing things have their own codes", async () => {
  await refuses(404, "BlobNotFound", container.getBlobClient("no").download());
  const elsewhere = service.getContainerClient(`${container.containerName}-no`);
  await refuses(404, "ContainerNotFound", elsewhere.getBlockBlobClient("b").upload("x", 1));
  assert.equal(await elsewhere.exists(), false);
});

test("blocks are staged, committed and listed", async () => {
  const blob = container.getBlockBlobClient("blocks");
  const parts = [0, 1, 2].map((number) => pattern(40_000, number));
  await Promise.all(
    parts.map((part, number) => blob.stageBlock(blockId(number), part, part.length)),
  );
  await blob.commitBlockList([0, 1, 2].map(blockId));
  const list = await blob.getBlockList("all");
  assert.deepEqual(list.committedBlocks.map((block) => block.name), [0, 1, 2].map(blockId));
  assert.deepEqual(await blob.downloadToBuffer(), Buffer.concat(parts));
  await refuses(400, "InvalidBlockList", blob.commitBlockList([blockId(9)]));
});

test("a stream of unknown length is uploaded and read in parallel", async () => {
  const blob = container.getBlockBlobClient("stream");
  const data = pattern(6_000_000, 7);
  await blob.uploadStream(Readable.from([data.subarray(0, 3_000_001), data.subarray(3_000_001)]), 1 << 20, 3);
  const found = await blob.downloadToBuffer(0, undefined, { blockSize: 1 << 20, concurrency: 4 });
  assert.equal(Buffer.compare(found, data), 0);
});

test("conditions guard reads and writes", async () => {
  const blob = container.getBlockBlobClient("conditions");
  const first = await blob.upload("1", 1);
  const none = { conditions: { ifNoneMatch: "*" } };
  await refuses(409, "BlobAlreadyExists", blob.upload("2", 1, none));
  await blob.upload("2", 1, { conditions: { ifMatch: first.etag } });
  await refuses(412, "ConditionNotMet", blob.upload("3", 1, { conditions: { ifMatch: first.etag } }));
  await refuses(412, "ConditionNotMet", blob.download(0, undefined, { conditions: { ifMatch: first.etag } }));
  assert.equal((await blob.downloadToBuffer()).toString(), "2");
});

test("a lease guards its blob", async () => {
  const blob = container.getBlockBlobClient("lease");
  await blob.upload("1", 1);
  const lease = blob.getBlobLeaseClient();
  await lease.acquireLease(15);
  await refuses(412, "LeaseIdMissing", blob.upload("2", 1));
  await blob.upload("2", 1, { conditions: { leaseId: lease.leaseId } });
  await refuses(409, "LeaseAlreadyPresent", blob.getBlobLeaseClient().acquireLease(15));
  await lease.releaseLease();
  await blob.upload("3", 1);
});

test("snapshots keep what was", async () => {
  const blob = container.getBlockBlobClient("snapshot");
  await blob.upload("one", 3);
  const { snapshot } = await blob.createSnapshot();
  await blob.upload("two", 3);
  assert.equal((await blob.withSnapshot(snapshot).downloadToBuffer()).toString(), "one");
  await refuses(409, "SnapshotsPresent", blob.delete());
  await blob.delete({ deleteSnapshots: "include" });
  assert.equal(await blob.exists(), false);
});

test("a copy within the account is complete", async () => {
  const source = container.getBlockBlobClient("copy source");
  const data = pattern(200_000, 8);
  await source.upload(data, data.length, { metadata: { a: "b" } });
  const target = container.getBlockBlobClient("copy target");
  const poller = await target.beginCopyFromURL(source.url, { intervalInMs: 50 });
  const result = await poller.pollUntilDone();
  assert.equal(result.copyStatus, "success");
  assert.deepEqual(await target.downloadToBuffer(), data);
  assert.deepEqual((await target.getProperties()).metadata, { a: "b" });
});

test("listings page, and follow a hierarchy", async () => {
  const names = ["list/a/1", "list/a/2", "list/b", "list/c/3"];
  for (const name of names) {
    await container.getBlockBlobClient(name).upload("x", 1);
  }
  const flat = await collect(container.listBlobsFlat({ prefix: "list/" }));
  assert.deepEqual(flat.map((item) => item.name), names);
  const pages = await collect(container.listBlobsFlat({ prefix: "list/" }).byPage({ maxPageSize: 3 }));
  assert.deepEqual(pages.map((page) => page.segment.blobItems.length), [3, 1]);
  const tree = await collect(container.listBlobsByHierarchy("/", { prefix: "list/" }));
  assert.deepEqual(
    tree.map((item) => item.name).sort(),
    ["list/a/", "list/b", "list/c/"],
  );
});

test("tags are set, read and found", async () => {
  const blob = container.getBlockBlobClient("tags");
  await blob.upload("x", 1, { tags: { suite: container.containerName } });
  assert.deepEqual((await blob.getTags()).tags, { suite: container.containerName });
  const expression = `suite='${container.containerName}'`;
  let found = [];
  for (let round = 0; round < 40 && found.length === 0; round += 1) {
    found = await collect(service.findBlobsByTags(expression));
  }
  assert.deepEqual(found.map((item) => item.name), ["tags"]);
});

test("a batch deletes and sets tiers", async () => {
  const blobs = ["batch/1", "batch/2"].map((name) => container.getBlockBlobClient(name));
  for (const blob of blobs) {
    await blob.upload("x", 1);
  }
  const batch = service.getBlobBatchClient();
  const tiers = await batch.setBlobsAccessTier(blobs, "Cool");
  assert.equal(tiers.subResponsesSucceededCount, 2);
  assert.equal((await blobs[0].getProperties()).accessTier, "Cool");
  const deleted = await batch.deleteBlobs([...blobs, container.getBlobClient("batch/no")]);
  assert.equal(deleted.subResponsesSucceededCount, 2);
  assert.equal(deleted.subResponsesFailedCount, 1);
});

test("a query answers with records, progress and errors", async () => {
  const blob = container.getBlockBlobClient("query");
  const data = "id,name\n1,ann\nx\n3,cid\n";
  await blob.upload(data, data.length);
  const ask = async (query, more = {}) => {
    const [progress, errors] = [[], []];
    const answer = await blob.query(query, {
      onProgress: (told) => progress.push(told.loadedBytes),
      onError: (error) => errors.push(error),
      ...more,
    });
    const parts = await collect(answer.readableStreamBody);
    return { text: Buffer.concat(parts).toString(), progress, errors };
  };
  const all = await ask("SELECT * FROM BlobStorage");
  assert.deepEqual([all.text, all.errors, all.progress.at(-1)], [data, [], data.length]);
  const some = await ask("SELECT name FROM BlobStorage WHERE id > 0", {
    inputTextConfiguration: {
      kind: "csv", recordSeparator: "\n", columnSeparator: ",", fieldQuote: '"', hasHeaders: true,
    },
    outputTextConfiguration: { kind: "json", recordSeparator: ";" },
  });
  assert.equal(some.text, '{"name":"ann"};{"name":"cid"};');
  assert.deepEqual(some.errors.map((error) => [error.name, error.isFatal, error.position]), [
    ["InvalidTypeConversion", false, data.indexOf("x")],
  ]);
  const fatal = await ask("SELECT * FROM BlobStorage", {
    inputTextConfiguration: { kind: "json", recordSeparator: "\n" },
  });
  assert.deepEqual(fatal.errors.map((error) => [error.name, error.isFatal]), [["ParseError", true]]);
  await refuses(400, "ErrorProcessingQueryExpression", blob.query("SELECT"));
});

test("a token is held to its limits", async () => {
  const blob = container.getBlockBlobClient("token");
  await blob.upload("x", 1);
  const hour = 3600 * 1000;
  const token = (permissions, expiresOn) =>
    sdk.generateBlobSASQueryParameters(
      {
        containerName: container.containerName,
        blobName: "token",
        permissions: sdk.BlobSASPermissions.parse(permissions),
        expiresOn,
      },
      credential,
    ).toString();
  const client = (query) => new sdk.BlockBlobClient(`${blob.url}?${query}`, undefined, options);
  const soon = new Date(Date.now() + hour);
  assert.equal((await client(token("r", soon)).downloadToBuffer()).toString(), "x");
  await refuses(403, "AuthorizationPermissionMismatch", client(token("r", soon)).delete());
  const past = new Date(Date.now() - hour);
  await refuses(403, "AuthenticationFailed", client(token("r", past)).download());
  const bad = token("r", soon).replace(/sig=[^&]*/, "sig=YmFk");
  await refuses(403, "AuthenticationFailed", client(bad).download());
});

test("service properties are kept", async () => {
  const before = await service.getProperties();
  assert.ok(Array.isArray(before.cors));
  const information = await service.getAccountInfo();
  assert.ok(information.skuName && information.accountKind);
});
