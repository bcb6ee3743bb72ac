// Leases on blobs and containers through the JavaScript SDK.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { container, refuses, service } from "./harness.mjs";

test("a lease on a blob goes through all its states", async () => {
  const blob = container.getBlockBlobClient("lease states");
  await blob.upload("1", 1);
  const lease = blob.getBlobLeaseClient(randomUUID());
  const first = lease.leaseId;
  const answer = await lease.acquireLease(-1);
  assert.equal(answer.leaseId, first);
  const leased = await blob.getProperties();
  assert.deepEqual([leased.leaseState, leased.leaseStatus, leased.leaseDuration], ["leased", "locked", "infinite"]);
  await lease.renewLease();
  const second = randomUUID();
  await lease.changeLease(second);
  assert.equal(lease.leaseId, second);
  const held = (leaseId) => ({ conditions: { leaseId } });
  await refuses(412, "LeaseIdMismatchWithBlobOperation", blob.setMetadata({ a: "b" }, held(first)));
  await blob.setMetadata({ a: "b" }, held(second));
  await refuses(412, "LeaseIdMissing", blob.delete());
  const broken = await lease.breakLease(0);
  assert.equal(broken.leaseTime, 0);
  assert.equal((await blob.getProperties()).leaseState, "broken");
  await refuses(409, "LeaseIsBrokenAndCannotBeRenewed", lease.renewLease());
  await blob.delete();
});

test("a lease that is broken over time is breaking", async () => {
  const blob = container.getBlockBlobClient("lease breaking");
  await blob.upload("1", 1);
  const lease = blob.getBlobLeaseClient();
  await lease.acquireLease(60);
  await lease.breakLease(30);
  assert.equal((await blob.getProperties()).leaseState, "breaking");
  await refuses(412, "LeaseIdMissing", blob.upload("2", 1));
  await refuses(409, "LeaseIsBreakingAndCannotBeAcquired", lease.acquireLease(15));
  await lease.releaseLease();
  assert.equal((await blob.getProperties()).leaseState, "available");
});

test("a lease on a container guards it from being deleted", async () => {
  const own = service.getContainerClient(`${container.containerName}-lease`);
  assert.equal((await own.createIfNotExists()).succeeded, true);
  assert.equal((await own.createIfNotExists()).succeeded, false);
  const lease = own.getBlobLeaseClient();
  await lease.acquireLease(15);
  await own.getBlockBlobClient("b").upload("1", 1);
  await refuses(412, "LeaseIdMissing", own.delete());
  await refuses(409, "LeaseAlreadyPresent", own.getBlobLeaseClient().acquireLease(15));
  await lease.changeLease(randomUUID());
  await lease.renewLease();
  assert.equal((await own.getProperties()).leaseState, "leased");
  const other = { conditions: { leaseId: randomUUID() } };
  await refuses(412, "LeaseIdMismatchWithContainerOperation", own.delete(other));
  await lease.releaseLease();
  await lease.acquireLease(-1);
  await lease.breakLease(0);
  await own.delete();
  assert.equal(await own.exists(), false);
  assert.equal((await own.deleteIfExists()).succeeded, false);
});
