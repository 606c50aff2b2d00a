// What @confluentinc/kafka-javascript does beside the story of client.js; demand_test.go says
// what each case is. Its promises know members of groups only, so each case has a group.
'use strict'

const { randomBytes } = require('node:crypto')

const FIRST_TIME = 1_000_000_000_000 // milliseconds
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(done) {
  for (const deadline = Date.now() + 60_000; !done() && Date.now() < deadline; ) await sleep(20)
}

module.exports = async function demand(kafka, ERRORS, topic, group, tell) {
  async function write(partition, messages, settings = {}, to = topic) {
    const producer = kafka.producer({ 'linger.ms': 100, ...settings })
    await producer.connect()
    await producer.send({ topic: to, messages: messages.map((m) => ({ partition, ...m })) })
    await producer.disconnect()
  }

  const consumer = (name, settings) =>
    kafka.consumer({ 'group.id': `${group}-${name}`, 'auto.offset.reset': 'earliest', 'enable.auto.commit': false, ...settings })

  // read gives what comes to a group to use, and what use returns.
  async function read(name, settings, topics, use) {
    const got = []
    const c = consumer(name, settings)
    await c.connect()
    await c.subscribe({ topics })
    await c.run({ eachMessage: async ({ topic, partition, message }) => got.push({ topic, partition, ...message }) })
    const result = await use(got, c)
    await c.disconnect()
    return result
  }

  const value = randomBytes(10 << 20)
  await write(0, [{ value }], { 'message.max.bytes': 12582912 })
  tell('large record', await read('large', {}, [topic], async (got) => {
    await until(() => got.length >= 1)
    return `${got.length} ${got[0].value.equals(value)}`
  }))

  await write(1, Array.from({ length: 100 }, (_, n) => ({ value: String(n), timestamp: String(FIRST_TIME + n * 1000) })),
    { 'compression.codec': 'lz4' })
  const admin = kafka.admin()
  await admin.connect()
  const found = (await admin.fetchTopicOffsetsByTimestamp(topic, FIRST_TIME + 50_500)).find((o) => o.partition === 1).offset
  await admin.disconnect()
  const timed = (got) => got.filter((m) => m.partition === 1)
  tell('seek by time', await read('time', {}, [topic], async (got, c) => {
    await until(() => timed(got).length >= 100)
    c.seek({ topic, partition: 1, offset: found })
    await until(() => timed(got).length >= 101)
    return `${found} ${timed(got)[100].value}`
  }))

  tell('pause and resume', await read('pause', {}, [topic], async (got, c) => {
    await until(() => timed(got).length >= 100)
    c.pause([{ topic, partitions: [1] }])
    c.seek({ topic, partition: 1, offset: '0' })
    await sleep(600)
    const paused = timed(got).length - 100
    c.resume([{ topic, partitions: [1] }])
    await until(() => timed(got).length >= 200)
    return `${paused} ${timed(got).length - 100}`
  }))

  const manual = async (use) => {
    const c = consumer('manual', {})
    await c.connect()
    const result = await use(c)
    await c.disconnect()
    return result
  }
  await manual((c) => c.commitOffsets([{ topic, partition: 1, offset: '42', metadata: 'note' }]))
  const [committed] = await manual((c) => c.committed([{ topic, partition: 1 }], 30_000))
  tell('manual commit', `${committed.offset} ${committed.metadata}`)

  // The fetch's own bound lies behind the end of the test. librdkafka may ask for one partition
  // before it knows where to begin in the others, so the topic is the one that has no others.
  const long = { 'fetch.wait.max.ms': 120_000, 'socket.timeout.ms': 180_000 }
  const more = `${topic}-more`
  tell('long poll', await read('long', long, [more], async (got) => {
    await until(() => got.length >= 1)
    await sleep(500) // the next fetch is on its way
    await write(0, [{ value: 'x' }], {}, more)
    await until(() => got.length >= 2)
    return String(got.length - 1)
  }))

  tell('regex subscription', await read('regex', {}, [new RegExp(`^${topic}.*`)], async (got) => {
    await until(() => got.length >= 103)
    return `[${[...new Set(got.map((m) => m.topic.slice(topic.length)))].sort().join(', ')}]`
  }))

  // A member of a group with an instance id, and what it heard.
  async function member(instance) {
    const m = { owned: new Set(), revoked: 0, changes: 0 }
    m.consumer = consumer('static', {
      'group.instance.id': instance,
      'heartbeat.interval.ms': 300,
      'partition.assignment.strategy': 'cooperative-sticky',
      rebalance_cb: (err, assignment) => {
        m.changes++
        const assigned = err.code === ERRORS.ERR__ASSIGN_PARTITIONS
        if (!assigned) m.revoked += assignment.length
        for (const { partition } of assignment) assigned ? m.owned.add(partition) : m.owned.delete(partition)
      },
    })
    await m.consumer.connect()
    await m.consumer.subscribe({ topics: [topic] })
    await m.consumer.run({ eachMessage: async () => {} })
    return m
  }

  const a = await member('a')
  await until(() => a.owned.size === 3)
  const b = await member('b')
  await until(() => a.owned.size === 2 && b.owned.size === 1)
  tell('cooperative members', String(a.revoked))
  const before = [...a.owned].sort().join()
  const heard = b.changes
  await a.consumer.disconnect()
  const again = await member('a')
  await until(() => again.owned.size === 2)
  await sleep(1000) // some heartbeats
  tell('static members', `${[...again.owned].sort().join() === before} ${b.changes - heard}`)
  await again.consumer.disconnect()
  await b.consumer.disconnect()
}
