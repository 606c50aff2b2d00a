// What kafkajs does beside the story of client.js; demand_test.go says what each case is.
// It reads as a member of a group only, so each case has a group of its own.
'use strict'

const { randomBytes } = require('node:crypto')

const FIRST_TIME = 1_000_000_000_000 // milliseconds
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(done) {
  for (const deadline = Date.now() + 60_000; !done() && Date.now() < deadline; ) await sleep(20)
}

module.exports = async function demand(codec, kafka, topic, group, tell) {
  async function write(partition, messages, compression = 0) {
    const producer = kafka.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    await producer.send({ topic, acks: -1, compression, messages: messages.map((m) => ({ partition, ...m })) })
    await producer.disconnect()
  }

  // read gives what comes to a group to use, and what use returns.
  async function read(name, settings, topics, use) {
    const got = []
    const consumer = kafka.consumer({ groupId: `${group}-${name}`, maxWaitTimeInMs: 500, ...settings })
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.run({ autoCommit: false, eachMessage: async ({ topic, partition, message }) => got.push({ topic, partition, ...message }) })
    await joined
    const result = await use(got, consumer)
    if (!settings.leave) await consumer.disconnect()
    return result
  }

  const value = randomBytes(10 << 20)
  await write(0, [{ value }])
  const large = { maxBytes: 12582912, maxBytesPerPartition: 12582912 }
  tell('large record', await read('large', large, [topic], async (got) => {
    await until(() => got.length >= 1)
    return `${got.length} ${got[0].value.equals(value)}`
  }))

  await write(1, Array.from({ length: 100 }, (_, n) => ({ value: String(n), timestamp: String(FIRST_TIME + n * 1000) })), codec)
  const admin = kafka.admin()
  await admin.connect()
  const found = (await admin.fetchTopicOffsetsByTimestamp(topic, FIRST_TIME + 50_500)).find((o) => o.partition === 1).offset
  tell('seek by time', await read('time', large, [topic], async (got, consumer) => {
    consumer.seek({ topic, partition: 1, offset: found })
    let start = -1 // of what comes after the seek: everything may have come before it
    await until(() => (start = got.findLastIndex((m) => m.partition === 1 && m.offset === found)) >= 0)
    await sleep(300)
    start = got.findLastIndex((m) => m.partition === 1 && m.offset === found)
    return `${found} ${got[start].value}`
  }))

  tell('pause and resume', await read('pause', large, [topic], async (got, consumer) => {
    const timed = () => got.filter((m) => m.partition === 1).length
    await until(() => timed() >= 100)
    consumer.pause([{ topic, partitions: [1] }])
    consumer.seek({ topic, partition: 1, offset: '0' })
    await sleep(600)
    const paused = timed() - 100
    consumer.resume([{ topic, partitions: [1] }])
    await until(() => timed() >= 200)
    return `${paused} ${timed() - 100}`
  }))

  await read('manual', large, [topic], (_, consumer) => consumer.commitOffsets([{ topic, partition: 1, offset: '42', metadata: 'note' }]))
  const [{ partitions }] = await admin.fetchOffsets({ groupId: `${group}-manual`, topics: [topic] })
  const committed = partitions.find((p) => p.partition === 1)
  tell('manual commit', `${committed.offset} ${committed.metadata}`)
  await admin.disconnect()

  tell('regex subscription', await read('regex', large, [new RegExp(`^${topic}.*`)], async (got) => {
    await until(() => got.length >= 102)
    return `[${[...new Set(got.map((m) => m.topic.slice(topic.length)))].sort().join(', ')}]`
  }))

  // The fetch's own bound lies behind the end of the test. The consumer is left as it is:
  // it would wait for its fetch, and the program ends after this.
  const long = { ...large, maxWaitTimeInMs: 120_000, sessionTimeout: 300_000, leave: true }
  tell('long poll', await read('long', long, [topic], async (got) => {
    await until(() => got.length >= 101)
    await sleep(500) // the next fetch is on its way
    await write(2, [{ value: 'x' }])
    await until(() => got.length >= 102)
    return String(got.filter((m) => m.partition === 2).length)
  }))
}
