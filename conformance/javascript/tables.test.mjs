// The official JavaScript SDK for tables against a running Table server.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

// The SDK lies in the build directory and not beside this file.
const modules = resolve(process.env.LAZULI_NODE_MODULES ?? "target/node/node_modules");
const load = createRequire(pathToFileURL(`${modules}/`));
const sdk = load("@azure/data-tables");

const account = process.env.AZ_ACCOUNT ?? "devstoreaccount1";
const key =
  process.env.AZ_KEY ??
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const url = process.env.AZ_TABLE ?? `http://127.0.0.1:10002/${account}`;
const credential = new sdk.AzureNamedKeyCredential(account, key);
const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
const name = `conf${randomBytes(4).toString("hex")}`;
const client = new sdk.TableClient(url, name, credential, options);
const service = new sdk.TableServiceClient(url, credential, options);

/** An entity. */
const entity = (partitionKey, rowKey, more = {}) => ({ partitionKey, rowKey, ...more });

/** Fails unless the promise is refused with this status and error code. */
async function refuses(status, code, promise) {
  const error = await promise.then(
    () => assert.fail(`nothing was refused, wanted ${status} ${code}`),
    (refusal) => refusal,
  );
  assert.equal(error.statusCode, status, `${error.message}`.slice(0, 200));
  const found = error.code ?? error.details?.odataError?.code ?? error.details?.errorCode;
  assert.equal(found, code);
}

/** The items of a listing. */
async function collect(iterator) {
  const items = [];
  for await (const item of iterator) {
    items.push(item);
  }
  return items;
}

before(() => client.createTable());
after(() => client.deleteTable());

test("tables are listed", async () => {
  const queryOptions = { filter: sdk.odata`TableName eq ${name}` };
  const tables = await collect(service.listTables({ queryOptions }));
  assert.deepEqual(tables.map((table) => table.name), [name]);
});

test("every type comes back as it went", async () => {
  const given = entity("types", "r", {
    text: "ü 'q' \"x\" \u{1f600}",
    whole: -5,
    half: 0.5,
    large: 9223372036854775807n,
    yes: true,
    raw: new Uint8Array([0, 255]),
    when: new Date("2024-02-29T12:34:56.789Z"),
    id: { type: "Guid", value: "c9da6455-213d-42c9-9a79-3e9149a57833" },
  });
  await client.createEntity(given);
  const found = await client.getEntity("types", "r");
  for (const property of ["text", "whole", "half", "large", "yes", "when", "id"]) {
    assert.deepEqual(found[property], given[property], property);
  }
  assert.deepEqual([...found.raw], [0, 255]);
});

test("keys may have quotes, spaces and signs", async () => {
  for (const odd of ["O'Brien", "a b+c", "ü%", "", "(x),=&"]) {
    await client.createEntity(entity(odd, odd));
    assert.equal((await client.getEntity(odd, odd)).rowKey, odd);
    await client.deleteEntity(odd, odd);
  }
});

test("writes merge, replace and ask for their tag", async () => {
  const { etag } = await client.createEntity(entity("w", "r", { a: 1, b: 2 }));
  await client.updateEntity(entity("w", "r", { b: 3 }), "Merge");
  assert.equal((await client.getEntity("w", "r")).a, 1);
  await refuses(412, "UpdateConditionNotSatisfied",
    client.updateEntity(entity("w", "r"), "Replace", { etag }));
  await client.upsertEntity(entity("w", "r", { c: 1 }), "Replace");
  assert.equal((await client.getEntity("w", "r")).a, undefined);
  await refuses(409, "EntityAlreadyExists", client.createEntity(entity("w", "r")));
  await client.deleteEntity("w", "r");
  await refuses(404, "ResourceNotFound", client.getEntity("w", "r"));
});

test("queries filter and page", async () => {
  const changes = Array.from({ length: 50 }, (_, n) =>
    ["upsert", entity("q", `${n}`.padStart(3, "0"), { n })]);
  await client.submitTransaction(changes);
  const queryOptions = { filter: sdk.odata`PartitionKey eq ${"q"} and n ge ${45}` };
  assert.equal((await collect(client.listEntities({ queryOptions }))).length, 5);
  const pages = [];
  const all = { queryOptions: { filter: sdk.odata`PartitionKey eq ${"q"}` } };
  for await (const page of client.listEntities(all).byPage({ maxPageSize: 20 })) {
    pages.push(page.length);
  }
  assert.deepEqual(pages, [20, 20, 10]);
});

test("a transaction happens or takes everything back", async () => {
  const transaction = new sdk.TableTransaction();
  transaction.createEntity(entity("t", "one"));
  transaction.upsertEntity(entity("t", "two", { v: 1 }), "Replace");
  const made = await client.submitTransaction(transaction.actions);
  assert.equal(made.status, 202);
  assert.ok(made.getResponseForEntity("one").etag);
  await refuses(409, "EntityAlreadyExists", client.submitTransaction([
    ["create", entity("t", "three")],
    ["create", entity("t", "one")],
  ]));
  await refuses(404, "ResourceNotFound", client.getEntity("t", "three"));
});

test("a token reaches what it names", async () => {
  await client.createEntity(entity("a", "r"));
  await client.createEntity(entity("b", "r"));
  const token = sdk.generateTableSas(name, credential, {
    permissions: { query: true },
    expiresOn: new Date(Date.now() + 3_600_000),
    startPartitionKey: "b",
    endPartitionKey: "b",
  });
  const other = new sdk.TableClient(`${url}?${token}`, name, options);
  const found = await collect(other.listEntities());
  assert.deepEqual(found.map((one) => one.partitionKey), ["b"]);
  const refused = await other.createEntity(entity("b", "s")).catch((error) => error);
  assert.equal(refused.statusCode, 403);
});
