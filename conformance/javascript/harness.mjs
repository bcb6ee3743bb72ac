// What the tests of the JavaScript SDK share: the SDK, the server they talk to, and small helpers.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

// The SDK lies in the build directory and not beside this file.
const modules = resolve(process.env.LAZULI_NODE_MODULES ?? "target/node/node_modules");
export const load = createRequire(pathToFileURL(`${modules}/`));
export const sdk = load("@azure/storage-blob");

export const account = process.env.AZ_ACCOUNT ?? "devstoreaccount1";
export const key =
  process.env.AZ_KEY ??
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
export const url = process.env.AZ_BLOB ?? `http://127.0.0.1:10000/${account}`;
export const credential = new sdk.StorageSharedKeyCredential(account, key);
export const options = { retryOptions: { maxTries: 1 } };
export const service = new sdk.BlobServiceClient(url, credential, options);
export const container = service.getContainerClient(`conf-js-${randomBytes(4).toString("hex")}`);

/** Bytes that look random and are the same for the same seed. */
export function pattern(length, seed) {
  const blocks = [];
  for (let number = 0; number * 32 < length; number += 1) {
    blocks.push(createHmac("sha256", `${seed}`).update(`${number}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** The id of a block: all ids of a blob have the same length. */
export const blockId = (number) => Buffer.from(`${number}`.padStart(6, "0")).toString("base64");

/** Fails unless the promise is refused with this status and, if given, error code. */
export async function refuses(status, code, promise) {
  const error = await promise.then(
    () => assert.fail(`nothing was refused, wanted ${status} ${code}`),
    (refusal) => refusal,
  );
  assert.equal(error.statusCode, status, `${error.message}`.slice(0, 200));
  if (code !== undefined) {
    assert.equal(error.code ?? error.details?.errorCode, code);
  }
}

/** The items of a listing. */
export async function collect(iterator) {
  const items = [];
  for await (const item of iterator) {
    items.push(item);
  }
  return items;
}

/** In an hour: when tokens end. */
export const soon = () => new Date(Date.now() + 3600 * 1000);

/** The URL of a blob with a token for it alone. */
export const readable = (blob, permissions = "r") =>
  blob.generateSasUrl({
    permissions: sdk.BlobSASPermissions.parse(permissions),
    expiresOn: soon(),
  });
