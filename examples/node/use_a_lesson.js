// Uses a lesson of a customer, as a front end should: with a deadline, one request id for all tries, and the
// numbers of a refusal.
//
//     npm install --prefix examples/node
//     export CARNET_ADDRESS=127.0.0.1:50051 CARNET_TOKEN=carnet_…
//     node examples/node/use_a_lesson.js ext:mari ext:swim-lesson
'use strict';

const { randomUUID } = require('node:crypto');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const DEADLINE_SECONDS = 5;
const TRIES_MAX = 5;
// After these nothing was done, or nobody knows what was done: either way the same request may be sent again.
const WORTH_ANOTHER_TRY = new Set([
  grpc.status.UNAVAILABLE,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.ABORTED,
  grpc.status.RESOURCE_EXHAUSTED,
]);

const folder = path.join(__dirname, '..', '..', 'proto');
const definition = loader.loadSync('carnet/v1/credit_service.proto', {
  includeDirs: [folder],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});
const { CreditService } = grpc.loadPackageDefinition(definition).carnet.v1;

// The part of google.rpc that a client needs: https://github.com/googleapis/googleapis/tree/master/google/rpc
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`, { keepCase: true });

/** What a refusal carries: the reason with its numbers, and how long to wait. */
function details(error) {
  const found = { info: null, waitSeconds: null };
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  if (!bytes) return found;
  for (const { type_url: url, value } of root.lookupType('Status').decode(bytes).details) {
    const name = url.split('.').pop();
    if (name === 'ErrorInfo') found.info = root.lookupType('ErrorInfo').decode(value);
    if (name === 'RetryInfo') {
      const delay = root.lookupType('RetryInfo').decode(value).retry_delay;
      found.waitSeconds = Number(delay.seconds) + delay.nanos / 1e9;
    }
  }
  return found;
}

/** Sends the same request, with the same id, until there is an answer that counts. */
async function withTries(client, method, request, metadata) {
  for (let tries = 1; ; tries += 1) {
    try {
      const deadline = new Date(Date.now() + DEADLINE_SECONDS * 1000);
      return await new Promise((resolve, reject) => {
        client[method](request, metadata, { deadline }, (error, answer) =>
          error ? reject(error) : resolve(answer));
      });
    } catch (error) {
      if (!WORTH_ANOTHER_TRY.has(error.code) || tries === TRIES_MAX) throw error;
      const seconds = details(error).waitSeconds ?? 0.1 * 2 ** tries;
      await sleep(1000 * seconds * (0.5 + Math.random()));
    }
  }
}

async function main(customer, item) {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${process.env.CARNET_TOKEN}`);
  const address = process.env.CARNET_ADDRESS.replace(/^http:\/\//, '');
  const credits = new CreditService(address, grpc.credentials.createInsecure());
  const request = { request_id: randomUUID(), customer_id: customer, item: { item_id: item } };
  try {
    const done = await withTries(credits, 'Consume', request, metadata);
    for (const part of done.parts) {
      console.log(`used ${part.amount} of ${part.package_id}, ${part.balances.available} left`);
    }
    const again = await withTries(credits, 'Consume', request, metadata);
    console.log(`the same request again: replayed=${again.replayed}, nothing more was used`);
    return 0;
  } catch (error) {
    const { info } = details(error);
    if (!info) throw error;
    console.log(`refused: ${info.reason} ${JSON.stringify(info.metadata)}`);
    console.log(error.details);
    return 1;
  } finally {
    credits.close();
  }
}

main(...process.argv.slice(2, 4)).then((code) => { process.exitCode = code; });
