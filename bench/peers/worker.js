// The pipeline's app tier as a Node program: sqs-consumer takes the events, sharp makes the
// outputs, SDK v3 stores and announces them. Same endpoint, same work, same calls as Tintype's
// app tier, each library used as its authors advise.
//
//   QUEUE_URL=… TOPIC_ARN=… RESULTS=… node worker.js
import { createHash } from 'node:crypto'
import https from 'node:https'
import http from 'node:http'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import { SQSClient } from '@aws-sdk/client-sqs'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import sharp from 'sharp'
import { Consumer } from 'sqs-consumer'
import { outputs } from './outputs.js'

const { QUEUE_URL, TOPIC_ARN, RESULTS } = process.env

// Originals differ: operations that are kept for the next one would only take memory. The
// number of threads per image is left as sharp sets it.
sharp.cache(false)

// One agent for all clients; sockets are kept, and none waits for another.
const agent = { keepAlive: true, maxSockets: 100 }
const client = {
  requestHandler: new NodeHttpHandler({ httpAgent: new http.Agent(agent), httpsAgent: new https.Agent(agent) }),
}
const s3 = new S3Client({ ...client, forcePathStyle: true })
const sns = new SNSClient(client)
const sqs = new SQSClient(client)

// uploads are the objects that a message names: S3's event in SNS's envelope.
function uploads (message) {
  const event = JSON.parse(JSON.parse(message.Body).Message)
  return (event.Records ?? []).map(({ s3, eventTime }) => ({
    bucket: s3.bucket.name,
    key: decodeURIComponent(s3.object.key.replaceAll('+', ' ')),
    etag: s3.object.eTag,
    sequencer: s3.object.sequencer,
    eventTime,
  }))
}

async function image (up, message) {
  const started = new Date()
  const source = await s3.send(new GetObjectCommand({ Bucket: up.bucket, Key: up.key, IfMatch: `"${up.etag}"` }))
  const made = await outputs(Buffer.from(await source.Body.transformToByteArray()))
  const id = idOf(up.key)
  const hash = createHash('sha256').update(`${up.etag}\ntint`).digest('hex').slice(0, 16)
  const stored = await Promise.all(made.outputs.map(async (out) => {
    const Key = `${id}/${hash}/${out.name}.jpg`
    await s3.send(new PutObjectCommand({
      Bucket: RESULTS, Key, Body: out.data, ContentType: 'image/jpeg', CacheControl: 'private, max-age=31536000, immutable',
    }))
    return {
      name: out.name, key: Key, contentType: 'image/jpeg', format: 'jpeg', width: out.width, height: out.height,
      bytes: out.data.length, sha256: createHash('sha256').update(out.data).digest('hex'), quality: 80,
    }
  }))
  const manifest = {
    version: 1, id, status: 'done', recipe: 'tint', outputs: stored, attempts: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
    source: { bucket: up.bucket, key: up.key, etag: up.etag, sequencer: up.sequencer, bytes: source.ContentLength, width: made.width, height: made.height, format: 'jpeg' },
    timings: { uploaded: up.eventTime, started, finished: new Date() }, program: 'sharp', messageId: message.MessageId,
  }
  try {
    // Written last and only where there is none: a second delivery changes nothing.
    await s3.send(new PutObjectCommand({
      Bucket: RESULTS, Key: `${id}/manifest.json`, Body: JSON.stringify(manifest), ContentType: 'application/json', CacheControl: 'no-cache', IfNoneMatch: '*',
    }))
  } catch (err) {
    if (err.name !== 'PreconditionFailed') throw err
    return
  }
  const completion = JSON.stringify({ type: 'ImageProcessed', id: createHash('sha256').update(id + up.etag).digest('hex'), imageId: id, time: manifest.timings.finished, manifest })
  await sns.send(new PublishCommand({
    TopicArn: TOPIC_ARN, MessageStructure: 'json', Subject: 'Image processed',
    Message: JSON.stringify({ default: `Image ${id} is done.`, sqs: completion }),
    MessageAttributes: { type: { DataType: 'String', StringValue: 'ImageProcessed' }, status: { DataType: 'String', StringValue: 'done' } },
  }))
}

const own = /^([0-7][0-9a-hjkmnp-tv-z]{25})\/[^/]+$/
const idOf = (key) => own.exec(key)?.[1] ?? 'k-' + Buffer.from(key).toString('base64url')

// take is one message; true once it may be deleted.
async function take (message) {
  try {
    for (const up of uploads(message)) await image(up, message)
    return true
  } catch (err) {
    console.error(message.MessageId, err.message)
    return false
  }
}

// Batches of ten are deleted by one call. A consumer polls again when all of its batch is
// done; a second one has work while the first waits for its last image.
const consumers = [1, 2].map(() => Consumer.create({
  queueUrl: QUEUE_URL, sqs, batchSize: 10, waitTimeSeconds: 20, visibilityTimeout: 60, heartbeatInterval: 20,
  messageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'], pollingCompleteWaitTimeMs: 25_000,
  handleMessageBatch: async (messages) => {
    const done = await Promise.all(messages.map(take))
    return messages.filter((_, i) => done[i])
  },
}))
let running = consumers.length
for (const c of consumers) {
  c.on('error', (err) => console.error(err.message))
  c.on('processing_error', (err) => console.error(err.message))
  c.on('stopped', () => { if (--running === 0) process.exit(0) })
  c.start()
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumers.forEach((c) => c.stop()))
console.log('receiving')
