// @confluentinc/kafka-javascript (librdkafka) driven over standard input and output, through
// its promises; the Go package in the folder above says how.
'use strict'

const readline = require('node:readline')
const { createRequire } = require('node:module')
const { KafkaJS, CODES } = createRequire(process.env.CLIENT_DIR + '/')('@confluentinc/kafka-javascript')

const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const text = (data) => (data === null || data === undefined ? null : data.toString())

const connect = (brokers) =>
  new KafkaJS.Kafka({
    kafkaJS: { brokers: [brokers], logLevel: KafkaJS.logLevel.NOTHING },
    'reconnect.backoff.max.ms': 500,
  })

// admin makes the topic and reads it back. There is no call to read settings.
async function admin(brokers, topic) {
  const client = connect(brokers).admin()
  await client.connect()
  await client.createTopics({
    topics: [{ topic, numPartitions: 6, replicationFactor: 1, configEntries: [{ name: 'max.message.bytes', value: '2000000' }] }],
  })
  const [{ partitions }] = await client.fetchTopicMetadata({ topics: [topic], timeout: 30000 })
  if (partitions.length !== 6) throw new Error(JSON.stringify(partitions))
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
    const producer = connect(brokers).producer({
      'compression.codec': codec, 'enable.idempotence': true, 'delivery.timeout.ms': 60000, 'linger.ms': 5,
    })
    await producer.connect()
    const sent = []
    for (let n = first; n < first + count; n++) {
      const { key, value } = record(n)
      sent.push(producer.send({ topic, messages: [record(n)] }).then(([{ partition, baseOffset }]) =>
        emit({ event: 'acked', n, partition, offset: Number(baseOffset), key, value })))
      if (pace > 0) await new Promise((resolve) => setTimeout(resolve, pace))
    }
    await Promise.all(sent)
    await producer.disconnect()
    emit({ event: 'produced' })
  }
}

// consume reads as a member of a group until standard input ends, then commits and leaves.
async function consume(brokers, topic, group, isolation) {
  const consumer = connect(brokers).consumer({
    'group.id': group,
    'isolation.level': isolation,
    'auto.offset.reset': 'earliest',
    'heartbeat.interval.ms': 300,
    'auto.commit.interval.ms': 500,
    'topic.metadata.refresh.interval.ms': 2000,
    rebalance_cb: (err, assignment) => {
      const assigned = err.code === CODES.ERRORS.ERR__ASSIGN_PARTITIONS
      emit({ event: 'assigned', partitions: assigned ? assignment.map((p) => p.partition).sort() : [] })
    },
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({
    eachMessage: async ({ partition, message }) =>
      emit({
        event: 'record',
        n: Number(text([message.headers.n].flat()[0])),
        partition,
        offset: Number(message.offset),
        key: text(message.key),
        value: text(message.value),
      }),
  })
  await new Promise((resolve) => process.stdin.on('end', resolve).resume())
  await consumer.disconnect()
}

async function demand(brokers, topic, group) {
  const tell = (name, value) => emit({ event: 'case', case: name, value })
  await require('./demand.js')(connect(brokers), CODES.ERRORS, topic, group, tell)
}

function fail(error) {
  emit({ event: 'error', error: String((error && error.stack) || error) })
  process.exit(1)
}

const [mode, brokers, topic, ...rest] = process.argv.slice(2)
const modes = { admin, produce, consume, demand }
modes[mode](brokers, topic, ...rest)
  .then(() => {
    emit({ event: 'done' })
    process.exit(0)
  })
  .catch(fail)
