// @platformatic/kafka driven over standard input and output; the Go package in the
// folder above says how.
'use strict'

const readline = require('node:readline')
const { pathToFileURL } = require('node:url')

const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const text = (data) => (data === null || data === undefined ? null : data.toString())
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let kafka // the module, which is loaded in main

const options = (brokers) => ({ clientId: 'platformatic', bootstrapBrokers: [brokers], retries: 300, retryDelay: 200, connectTimeout: 2000 })

// admin makes the topic and reads it back.
async function admin(brokers, topic) {
  const client = new kafka.Admin(options(brokers))
  await client.createTopics({ topics: [topic], partitions: 6, replicas: 1, configs: [{ name: 'max.message.bytes', value: '2000000' }] })
  const metadata = await client.metadata({ topics: [topic] })
  if (metadata.topics.get(topic).partitionsCount !== 6) throw new Error('partitions: ' + metadata.topics.get(topic).partitionsCount)
  const described = await client.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic, configurationKeys: ['max.message.bytes'] }] })
  const value = described[0].configs[0].value
  if (value !== '2000000') throw new Error('max.message.bytes: ' + value)
  await client.close()
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
    const producer = new kafka.Producer({ ...options(brokers), serializers: kafka.stringSerializers, idempotent: true, autocreateTopics: false })
    const size = pace > 0 ? 10 : 50
    for (let n = first; n < first + count; n += size) {
      const numbers = Array.from({ length: Math.min(size, first + count - n) }, (_, i) => n + i)
      // One partition a call: the answer then has the base offset of these records.
      const partition = (n / size) % 6 | 0
      const { offsets } = await producer.send({
        acks: -1,
        compression: codec,
        messages: numbers.map((i) => ({ topic, partition, ...record(i) })),
      })
      numbers.forEach((i, at) => {
        const { key, value } = record(i)
        emit({ event: 'acked', n: i, partition, offset: Number(offsets[0].offset) + at, key, value })
      })
      if (pace > 0) await sleep(pace * size)
    }
    await producer.close()
    emit({ event: 'produced' })
  }
}

// consume reads as a member of a group until standard input ends, then commits and
// leaves. The client's stream reads no more after its group's coordinator was away, with
// any broker; so a heartbeat that fails is answered with a new consumer.
async function consume(brokers, topic, groupId, isolation) {
  let over = false
  const end = new Promise((resolve) => process.stdin.on('end', resolve).resume()).then(() => (over = true))
  while (!over) {
    try {
      await member(brokers, topic, groupId, isolation, end)
    } catch (error) {
      emit({ event: 'assigned', partitions: [] })
      await sleep(300)
    }
  }
}

async function member(brokers, topic, groupId, isolation, end) {
  const isolationLevel = kafka.FetchIsolationLevels[isolation.toUpperCase()]
  const consumer = new kafka.Consumer({
    ...options(brokers),
    groupId,
    sessionTimeout: 10000,
    rebalanceTimeout: 10000,
    heartbeatInterval: 300,
    deserializers: kafka.stringDeserializers,
  })
  const broken = new Promise((_, reject) => {
    consumer.on('consumer:heartbeat:error', ({ error }) => reject(error))
    consumer.on('error', reject)
  })
  broken.catch(() => {})
  consumer.on('consumer:group:join', ({ assignments }) =>
    assignments && emit({ event: 'assigned', partitions: assignments.flatMap((a) => a.partitions).sort() }))
  consumer.on('consumer:group:rebalance', () => emit({ event: 'assigned', partitions: [] }))
  try {
    const stream = await consumer.consume({ autocommit: 500, topics: [topic], mode: 'committed', fallbackMode: 'earliest', maxWaitTime: 500, isolationLevel })
    stream.on('data', (m) =>
      emit({
        event: 'record',
        n: Number(text(m.headers.get('n'))),
        partition: m.partition,
        offset: Number(m.offset),
        key: text(m.key),
        value: text(m.value),
      }))
    const failed = new Promise((_, reject) => stream.on('error', reject))
    failed.catch(() => {})
    await Promise.race([end, broken, failed])
    await stream.close()
    await consumer.close()
  } catch (error) {
    await consumer.close(true).catch(() => {})
    throw error
  }
}

async function demand(brokers, topic, group) {
  await require('./demand.js')(kafka, options(brokers), topic, group, (name, value) => emit({ event: 'case', case: name, value }))
}

function fail(error) {
  emit({ event: 'error', error: String((error && error.stack) || error) + ' ' + (error?.errors || []).map((e) => String(e.stack)).join(' ') })
  process.exit(1)
}

async function main() {
  kafka = await import(pathToFileURL(process.env.CLIENT_DIR + '/node_modules/@platformatic/kafka/dist/index.js'))
  const [mode, brokers, topic, ...rest] = process.argv.slice(2)
  await { admin, produce, consume, demand }[mode](brokers, topic, ...rest)
  emit({ event: 'done' })
  process.exit(0)
}

main().catch(fail)
