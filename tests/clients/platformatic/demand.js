// What @platformatic/kafka does beside the story of client.js; demand_test.go says what
// each case is. It reads as a member of a group only, so each case has a group of its own.
'use strict'

const { randomBytes } = require('node:crypto')

const FIRST_TIME = 1_000_000_000_000 // milliseconds
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(done) {
  for (const deadline = Date.now() + 60_000; !done() && Date.now() < deadline; ) await sleep(20)
}

module.exports = async function demand(kafka, options, topic, group, tell) {
  async function write(partition, messages, compression = 'none') {
    const producer = new kafka.Producer({ ...options, autocreateTopics: false })
    await producer.send({ acks: -1, compression, messages: messages.map((m) => ({ topic, partition, ...m, value: Buffer.from(m.value) })) })
    await producer.close()
  }

  // read gives what comes to a group to use, and what use returns.
  async function read(name, settings, use) {
    const got = []
    const consumer = new kafka.Consumer({ ...options, timeout: 180_000, groupId: `${group}-${name}` })
    const stream = await consumer.consume({
      autocommit: false, topics: [topic], mode: 'earliest', maxWaitTime: 500, maxBytes: 12582912, maxBytesPerPartition: 12582912, ...settings })
    stream.on('data', (m) => got.push(m))
    const result = await use(got, stream)
    if (!settings.leave) {
      await stream.close()
      await consumer.close()
    }
    return result
  }
  const of = (got, partition) => got.filter((m) => m.partition === partition)

  const value = randomBytes(10 << 20)
  await write(0, [{ value }])
  tell('large record', await read('large', {}, async (got) => {
    await until(() => got.length >= 1)
    return `${got.length} ${got[0].value.equals(value)}`
  }))

  await write(1, Array.from({ length: 100 }, (_, n) => ({ value: String(n), timestamp: BigInt(FIRST_TIME + n * 1000) })), 'lz4')
  const seeker = new kafka.Consumer({ ...options, groupId: `${group}-seeker` })
  const found = (await seeker.listOffsetsWithTimestamps({ topics: [topic], timestamp: BigInt(FIRST_TIME + 50_500) })).get(topic).get(1).offset
  await seeker.close()
  const offsets = [0, 1, 2].map((partition) => ({ topic, partition, offset: partition === 1 ? found : 0n }))
  tell('seek by time', await read('time', { mode: 'manual', offsets }, async (got) => {
    await until(() => of(got, 1).length > 0)
    return `${found} ${of(got, 1)[0].value}`
  }))

  tell('pause and resume', await read('pause', {}, async (got, stream) => {
    await until(() => of(got, 1).length >= 100)
    stream.pause()
    await write(1, Array.from({ length: 100 }, () => ({ value: 'more' })))
    await sleep(600)
    const paused = of(got, 1).length - 100
    stream.resume()
    await until(() => of(got, 1).length >= 200)
    return `${paused} ${of(got, 1).length - 100}`
  }))

  // The fetch's own bound lies behind the end of the test. The consumer is left as it is:
  // it would wait for its fetch, and the program ends after this.
  tell('long poll', await read('long', { maxWaitTime: 120_000, leave: true }, async (got) => {
    await until(() => got.length >= 201)
    await sleep(500) // the next fetch is on its way
    await write(2, [{ value: 'x' }])
    await until(() => of(got, 2).length > 0)
    return String(of(got, 2).length)
  }))
}
