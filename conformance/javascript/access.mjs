// Tokens, policies and public access through the JavaScript SDK.

import assert from "node:assert/strict";
import { test } from "node:test";

import { account, collect, container, credential, key, options, refuses, sdk, service, soon, url } from "./harness.mjs";

test("an account token covers what it names", async () => {
  await container.getBlockBlobClient("account token").upload("x", 1);
  const link = (permissions, types) =>
    service.generateAccountSasUrl(soon(), sdk.AccountSASPermissions.parse(permissions), types);
  const reader = new sdk.BlobServiceClient(link("rl", "sco"), undefined, options);
  const holder = reader.getContainerClient(container.containerName);
  const blob = holder.getBlockBlobClient("account token");
  assert.equal((await blob.downloadToBuffer()).toString(), "x");
  const listed = await collect(reader.listContainers({ prefix: container.containerName }));
  assert.ok(listed.some((item) => item.name === container.containerName));
  await refuses(403, "AuthorizationPermissionMismatch", blob.upload("y", 1));
  const objects = new sdk.BlobServiceClient(link("rl", "o"), undefined, options);
  await refuses(403, "AuthorizationResourceTypeMismatch", collect(objects.listContainers()));
});

test("a container token covers its container, a policy can be revoked", async () => {
  const own = service.getContainerClient(`${container.containerName}-sas`);
  await own.create();
  try {
    await own.getBlockBlobClient("b").upload("x", 1);
    const permissions = sdk.ContainerSASPermissions.parse("rl");
    const link = await own.generateSasUrl({ permissions, expiresOn: soon() });
    const reader = new sdk.ContainerClient(link, undefined, options);
    assert.deepEqual((await collect(reader.listBlobsFlat())).map((item) => item.name), ["b"]);
    assert.equal((await reader.getBlobClient("b").downloadToBuffer()).toString(), "x");
    await refuses(403, "AuthorizationPermissionMismatch", reader.deleteBlob("b"));
    const policy = { id: "reading", accessPolicy: { permissions: "r", startsOn: new Date(0), expiresOn: soon() } };
    await own.setAccessPolicy(undefined, [policy]);
    const kept = await own.getAccessPolicy();
    assert.deepEqual(kept.signedIdentifiers.map((item) => [item.id, item.accessPolicy.permissions]), [["reading", "r"]]);
    const byPolicy = await own.getBlobClient("b").generateSasUrl({ identifier: "reading" });
    const client = new sdk.BlobClient(byPolicy, undefined, options);
    assert.equal((await client.downloadToBuffer()).toString(), "x");
    await own.setAccessPolicy(undefined, []);
    await refuses(403, "AuthenticationFailed", client.download());
  } finally {
    await own.delete();
  }
});

test("a token for a snapshot reads that alone", async () => {
  const blob = container.getBlockBlobClient("snapshot token");
  await blob.upload("one", 3);
  const { snapshot } = await blob.createSnapshot();
  await blob.upload("two", 3);
  const token = sdk.generateBlobSASQueryParameters(
    {
      containerName: container.containerName,
      blobName: "snapshot token",
      snapshotTime: snapshot,
      permissions: sdk.BlobSASPermissions.parse("r"),
      expiresOn: soon(),
    },
    credential,
  );
  const bare = new URL(blob.url);
  const at = (query) => new sdk.BlobClient(`${bare.origin}${bare.pathname}?${query}`, undefined, options);
  const taken = at(`snapshot=${encodeURIComponent(snapshot)}&${token}`);
  assert.equal((await taken.downloadToBuffer()).toString(), "one");
  await refuses(403, undefined, at(token).download());
});

test("what is public is read by anybody, what is not by nobody", async () => {
  const own = service.getContainerClient(`${container.containerName}-public`);
  await own.create({ access: "blob", metadata: { a: "b" } });
  try {
    await own.getBlockBlobClient("b").upload("x", 1);
    const anybody = new sdk.ContainerClient(own.url, undefined, options);
    assert.equal((await anybody.getBlobClient("b").downloadToBuffer()).toString(), "x");
    await refuses(401, "NoAuthenticationInformation", collect(anybody.listBlobsFlat()));
    await own.setAccessPolicy("container");
    assert.equal((await own.getAccessPolicy()).blobPublicAccess, "container");
    assert.equal((await collect(anybody.listBlobsFlat())).length, 1);
    await own.setMetadata({ c: "d" });
    assert.deepEqual((await own.getProperties()).metadata, { c: "d" });
    await own.setAccessPolicy();
    await refuses(401, "NoAuthenticationInformation", anybody.getBlobClient("b").download());
  } finally {
    await own.delete();
  }
});

test("a connection string leads to the same", async () => {
  const connection = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${url};`;
  const client = sdk.BlobServiceClient.fromConnectionString(connection, options);
  const names = await collect(client.listContainers({ prefix: container.containerName, includeMetadata: true }));
  assert.ok(names.some((item) => item.name === container.containerName));
});
