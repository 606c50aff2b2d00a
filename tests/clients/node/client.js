// kafkajs driven over standard input and output; the Go package in the folder above
// says how. kafkajs brings no snappy, lz4 or zstd of its own.
'use strict'

const readline = require('node:readline')
const { createRequire } = require('node:module')
const { Kafka, CompressionTypes, logLevel } = createRequire(process.env.CLIENT_DIR + '/')('kafkajs')

const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const text = (data) => (data === null || data === undefined ? null : data.toString())

const connect = (brokers) =>
  new Kafka({
    clientId: 'kafkajs',
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 200 },
  })

// admin makes the topic and reads it back.
async function admin(brokers, topic) {
  const client = connect(brokers).admin()
  await client.connect()
  await client.createTopics({
    topics: [{ topic, numPartitions: 6, replicationFactor: 1, configEntries: [{ name: 'max.message.bytes', value: '2000000' }] }],
  })
  const { topics } = await client.fetchTopicMetadata({ topics: [topic] })
  if (topics[0].partitions.length !== 6) throw new Error(JSON.stringify(topics))
  const { resources } = await client.describeConfigs({ resources: [{ type: 2, name: topic, configNames: ['max.message.bytes'] }] })
  if (resources[0].configEntries[0].configValue !== '2000000') throw new Error(JSON.stringify(resources))
  await client.disconnect()
}

// record is what every client of this test sends as its n-th record.
function record(n) {
  return {
    key: n % 5 === 0 ? null : `key-${n % 17}`,
    value: n % 13 === 0 ? null : `välue-${n}`,
    headers: { n: String(n) },
  }
}

// produce carries out the commands of standard input, each with a client of its own.
async function produce(brokers, topic) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { codec, first, count, pace_ms: pace } = JSON.parse(line)
    const producer = connect(brokers).producer({ idempotent: true, allowAutoTopicCreation: false })
    await producer.connect()
    const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }[codec]
    // kafkajs reports the base offset of each partition's batch: its records in order.
    const size = pace > 0 ? 10 : 50
    for (let n = first; n < first + count; n += size) {
      const numbers = Array.from({ length: Math.min(size, first + count - n) }, (_, i) => n + i)
      const partition = (i) => i % 6
      const sent = await producer.send({
        topic,
        acks: -1,
        compression,
        messages: numbers.map((i) => ({ ...record(i), partition: partition(i) })),
      })
      for (const { partition: p, baseOffset } of sent) {
        numbers
          .filter((i) => partition(i) === p)
          .forEach((i, at) => {
            const { key, value } = record(i)
            emit({ event: 'acked', n: i, partition: p, offset: Number(baseOffset) + at, key, value })
          })
      }
      if (pace > 0) await new Promise((resolve) => setTimeout(resolve, pace * size))
    }
    await producer.disconnect()
    emit({ event: 'produced' })
  }
}

// consume reads as a member of a group until standard input ends, then commits and
// leaves.
async function consume(brokers, topic, groupId, isolation) {
  const consumer = connect(brokers).consumer({
    groupId,
    readUncommitted: isolation === 'read_uncommitted',
    heartbeatInterval: 300,
    sessionTimeout: 30000,
    rebalanceTimeout: 10000,
    maxWaitTimeInMs: 500,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 200 },
  })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    emit({ event: 'assigned', partitions: [...(payload.memberAssignment[topic] || [])].sort() }))
  consumer.on(consumer.events.REBALANCING, () => emit({ event: 'assigned', partitions: [] }))
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) fail(payload.error)
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommitInterval: 500,
    eachMessage: async ({ partition, message }) =>
      emit({
        event: 'record',
        n: Number(text(message.headers.n)),
        partition,
        offset: Number(message.offset),
        key: text(message.key),
        value: text(message.value),
      }),
  })
  await new Promise((resolve) => process.stdin.on('end', resolve).resume())
  await consumer.stop()
  await consumer.disconnect()
}

function fail(error) {
  emit({ event: 'error', error: String((error && error.stack) || error) })
  process.exit(1)
}

async function demand(brokers, topic, group) {
  await require('./demand.js')(CompressionTypes.GZIP, connect(brokers), topic, group, (name, value) => emit({ event: 'case', case: name, value }))
}

const [mode, brokers, topic, ...rest] = process.argv.slice(2)
const modes = { admin, produce, consume, demand }
modes[mode](brokers, topic, ...rest)
  .then(() => {
    emit({ event: 'done' })
    process.exit(0)
  })
  .catch(fail)
