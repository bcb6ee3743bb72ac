// The official JavaScript SDK for queues against a running Queue server.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { account, collect, key, load, options, refuses, soon } from "./harness.mjs";

const sdk = load("@azure/storage-queue");
const url = process.env.AZ_QUEUE ?? `http://127.0.0.1:10001/${account}`;
const credential = new sdk.StorageSharedKeyCredential(account, key);
const service = new sdk.QueueServiceClient(url, credential, options);
const run = `conf-js-${randomBytes(4).toString("hex")}`;
const client = service.getQueueClient(run);

/** The next message of a queue, out of sight for a minute. */
const take = async (queue, more = {}) =>
  (await queue.receiveMessages({ visibilityTimeout: 60, ...more })).receivedMessageItems[0];

/** The texts that can be seen in a queue. */
const seen = async (queue) =>
  (await queue.peekMessages({ numberOfMessages: 32 })).peekedMessageItems.map((one) => one.messageText);

/** A new queue for the tests that count what is in it. */
async function queue(tag) {
  const made = service.getQueueClient(`${run}-${tag}`);
  await made.create();
  return made;
}

before(() => client.create());
after(() => client.delete());

test("the service's settings come back", async () => {
  const retentionPolicy = { enabled: true, days: 4 };
  await service.setProperties({
    queueAnalyticsLogging: {
      version: "1.0", deleteProperty: true, read: false, write: true, retentionPolicy,
    },
    minuteMetrics: { version: "1.0", enabled: true, includeAPIs: false, retentionPolicy },
    cors: [{
      allowedOrigins: "*", allowedMethods: "GET,PUT", allowedHeaders: "x-ms-meta-*",
      exposedHeaders: "", maxAgeInSeconds: 7,
    }],
  });
  const found = await service.getProperties();
  assert.equal(found.queueAnalyticsLogging.deleteProperty, true);
  assert.equal(found.queueAnalyticsLogging.retentionPolicy.days, 4);
  assert.equal(found.minuteMetrics.includeAPIs, false);
  assert.equal(found.cors[0].allowedMethods, "GET,PUT");
  await service.setProperties({ cors: [] });
  assert.equal((await service.getProperties()).cors?.length ?? 0, 0);
});

test("a queue is made once, described and dropped", async () => {
  const other = service.getQueueClient(`${run}-life`);
  assert.equal(await other.exists(), false);
  assert.equal((await other.createIfNotExists({ metadata: { a: "1" } })).succeeded, true);
  assert.equal((await other.createIfNotExists({ metadata: { a: "1" } })).succeeded, false);
  await refuses(409, "QueueAlreadyExists", other.create({ metadata: { a: "2" } }));
  await other.setMetadata({ b: "2" });
  const { metadata, approximateMessagesCount } = await other.getProperties();
  assert.deepEqual({ ...metadata }, { b: "2" });
  assert.equal(approximateMessagesCount, 0);
  assert.equal((await other.deleteIfExists()).succeeded, true);
  assert.equal((await other.deleteIfExists()).succeeded, false);
  await refuses(404, "QueueNotFound", other.sendMessage("x"));
  await refuses(400, "InvalidResourceName", service.createQueue("Bad_Name"));
});

test("queues are listed by prefix, with metadata and in pages", async () => {
  const names = [1, 2, 3, 4, 5].map((number) => `${run}-list${number}`);
  for (const name of names) {
    await service.createQueue(name, { metadata: { name } });
  }
  const prefix = `${run}-list`;
  const found = await collect(service.listQueues({ prefix, includeMetadata: true }));
  assert.deepEqual(found.map((one) => [one.name, one.metadata.name]), names.map((name) => [name, name]));
  const pages = [];
  for await (const page of service.listQueues({ prefix }).byPage({ maxPageSize: 2 })) {
    pages.push(page.queueItems.map((one) => one.name));
    assert.ok(pages.length <= 3, "more pages than there can be");
  }
  assert.deepEqual(pages, [names.slice(0, 2), names.slice(2, 4), names.slice(4)]);
  await Promise.all(names.map((name) => service.deleteQueue(name)));
  assert.deepEqual(await collect(service.listQueues({ prefix })), []);
});

test("messages come in order, as they went", async () => {
  const fifo = await queue("fifo");
  const texts = ["first", "ü \u2713 \u{1f600}", "<a b='c'>&amp;\"</a>", " \t ", "last"];
  for (const text of texts) {
    const sent = await fifo.sendMessage(text);
    assert.equal(sent.expiresOn - sent.insertedOn, 7 * 86_400_000);
  }
  assert.deepEqual(await seen(fifo), texts);
  const { receivedMessageItems } = await fifo.receiveMessages({
    numberOfMessages: 32, visibilityTimeout: 60,
  });
  assert.deepEqual(receivedMessageItems.map((one) => one.messageText), texts);
  assert.deepEqual(receivedMessageItems.map((one) => one.dequeueCount), [1, 1, 1, 1, 1]);
  assert.equal((await fifo.getProperties()).approximateMessagesCount, 5);
  for (const one of receivedMessageItems) {
    await fifo.deleteMessage(one.messageId, one.popReceipt);
  }
  assert.equal((await fifo.getProperties()).approximateMessagesCount, 0);
  await fifo.delete();
});

test("an update gives a new receipt and the old one moves nothing", async () => {
  const other = await queue("update");
  await other.sendMessage("a");
  const taken = await take(other);
  const changed = await other.updateMessage(taken.messageId, taken.popReceipt, "b", 0);
  assert.notEqual(changed.popReceipt, taken.popReceipt);
  await refuses(404, "MessageNotFound", other.deleteMessage(taken.messageId, taken.popReceipt));
  await refuses(404, "MessageNotFound",
    other.updateMessage(taken.messageId, taken.popReceipt, "c", 0));
  const again = await take(other);
  assert.deepEqual([again.messageText, again.dequeueCount], ["b", 2]);
  const kept = await other.updateMessage(again.messageId, again.popReceipt, undefined, 600);
  assert.deepEqual(await seen(other), []);
  await other.deleteMessage(again.messageId, kept.popReceipt);
  await refuses(404, "MessageNotFound", other.deleteMessage(again.messageId, kept.popReceipt));
  await other.delete();
});

test("times to live and to wait", async () => {
  const other = await queue("times");
  const ever = await other.sendMessage("ever", { messageTimeToLive: -1 });
  assert.equal(ever.expiresOn.getUTCFullYear(), 9999);
  const late = await other.sendMessage("late", { visibilityTimeout: 3600 });
  assert.equal(late.nextVisibleOn - late.insertedOn, 3_600_000);
  assert.deepEqual(await seen(other), ["ever"]);
  await refuses(400, "InvalidQueryParameterValue",
    other.sendMessage("x", { messageTimeToLive: -2 }));
  await refuses(400, "OutOfRangeQueryParameterValue",
    other.receiveMessages({ numberOfMessages: 33 }));
  await other.clearMessages();
  assert.equal((await other.getProperties()).approximateMessagesCount, 0);
  await other.delete();
});

test("64 KiB and not a byte more", async () => {
  const other = await queue("size");
  const text = "ü".repeat(32_768);
  await other.sendMessage(text);
  assert.equal((await take(other)).messageText, text);
  await refuses(413, "RequestBodyTooLarge", other.sendMessage(`${text}x`));
  await other.delete();
});

test("a token does what it says, a policy lends it more", async () => {
  const other = await queue("sas");
  await other.sendMessage("x");
  const using = async (values) =>
    new sdk.QueueClient(other.generateSasUrl(values), undefined, options);
  const permissions = (letters) =>
    ({ permissions: sdk.QueueSASPermissions.parse(letters), expiresOn: soon() });
  const adds = await using(permissions("a"));
  await adds.sendMessage("y");
  await refuses(403, undefined, adds.peekMessages());
  const processes = await using(permissions("p"));
  const taken = await take(processes);
  await refuses(403, undefined,
    processes.updateMessage(taken.messageId, taken.popReceipt, "z", 0));
  await processes.deleteMessage(taken.messageId, taken.popReceipt);
  await refuses(403, undefined, processes.clearMessages());
  await other.setAccessPolicy([{
    id: "look", accessPolicy: { startsOn: new Date(0), expiresOn: soon(), permissions: "r" },
  }]);
  const { signedIdentifiers } = await other.getAccessPolicy();
  assert.equal(signedIdentifiers[0].accessPolicy.permissions, "r");
  const looks = await using({ identifier: "look" });
  assert.deepEqual(await seen(looks), ["y"]);
  await refuses(403, undefined, looks.sendMessage("x"));
  await other.setAccessPolicy([]);
  await refuses(403, undefined, looks.peekMessages());
  const wide = service.generateAccountSasUrl(
    soon(), sdk.AccountSASPermissions.parse("rl"), "so");
  const lists = new sdk.QueueServiceClient(wide, undefined, options);
  const found = await collect(lists.listQueues({ prefix: `${run}-sas` }));
  assert.deepEqual(found.map((one) => one.name), [`${run}-sas`]);
  await refuses(403, undefined, lists.getQueueClient(`${run}-sas`).sendMessage("x"));
  await other.delete();
});

test("many consumers get each message once", async () => {
  const texts = Array.from({ length: 200 }, (_, number) => `${number}`);
  const left = [...texts];
  const produce = async () => {
    for (let text = left.pop(); text !== undefined; text = left.pop()) {
      await client.sendMessage(text);
    }
  };
  const got = [];
  const deadline = Date.now() + 60_000;
  const consume = async () => {
    while (got.length < texts.length) {
      assert.ok(Date.now() < deadline, "not all came in time");
      const { receivedMessageItems } = await client.receiveMessages({
        numberOfMessages: 7, visibilityTimeout: 600,
      });
      for (const one of receivedMessageItems) {
        got.push(one.messageText);
        await client.deleteMessage(one.messageId, one.popReceipt);
      }
    }
  };
  await Promise.all([...Array.from({ length: 4 }, produce), ...Array.from({ length: 8 }, consume)]);
  assert.deepEqual(got.sort((a, b) => a - b), texts);
  assert.equal((await client.getProperties()).approximateMessagesCount, 0);
});
