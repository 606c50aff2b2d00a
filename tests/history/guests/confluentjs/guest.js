// @confluentinc/kafka-javascript (librdkafka) as a guest of a load, through its promises;
// README.md above says what it is told.
'use strict'
const { createRequire } = require('node:module')
const readline = require('node:readline')
const { KafkaJS, CODES } = createRequire(process.env.CLIENT_DIR + '/')('@confluentinc/kafka-javascript')

const config = JSON.parse(process.argv[2])
const goodbye = 2000 // ms that a client has when it is dropped
const buffered = 200 // records that wait for a poll

const kafka = new KafkaJS.Kafka({
  'bootstrap.servers': config.brokers,
  'socket.timeout.ms': config.request_timeout_ms,
  'reconnect.backoff.ms': 20,
  'reconnect.backoff.max.ms': 200,
  // Its other strategy, which is the default, forgets the coordinator when the only broker
  // is away for a moment and does not find it again, whoever's broker that is.
  'metadata.recovery.strategy': 'none',
  log_level: 0,
})

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Waits for a promise no longer than ms.
const within = async (ms, promise) => {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error('took too long')), ms) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

// A client that is dropped may be broken, and is not used again.
const dispose = async client => {
  try {
    await within(goodbye, client.disconnect())
  } catch (e) {
    console.error('disconnect:', e.message)
  }
}

// Calls again for as long as librdkafka says that this is the thing to do: the library
// lets no call take longer than 5 s.
const retried = async call => {
  for (const end = Date.now() + config.patience_ms; ;) {
    try {
      return await call()
    } catch (e) {
      if (!e.retriable || Date.now() > end) throw e
    }
  }
}

// Feed reads as the member of a group, and keeps what the library hands over.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.lost = this.closed = false
    this.records = []
    this.consumer = kafka.consumer({
      'group.id': group,
      'enable.auto.commit': false,
      'auto.offset.reset': 'earliest',
      'isolation.level': isolation,
      'session.timeout.ms': config.session_timeout_ms,
      'heartbeat.interval.ms': 300,
      'fetch.wait.max.ms': 50,
      rebalance_cb: e => { this.lost ||= e.code !== CODES.ERRORS.ERR__ASSIGN_PARTITIONS },
    })
    this.started = this.start()
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic })
    await this.consumer.run({
      eachBatch: async ({ batch }) => {
        while (this.records.length >= buffered && !this.closed) await sleep(20)
        this.records.push(...batch.messages.map(m => ({ partition: batch.partition, offset: Number(m.offset), value: m.value.toString('base64') })))
      },
    })
  }

  // The library puts the group's offsets into a transaction with what its member knows of
  // the group by then. So it is over with the assignment that its records are of.
  assigned () {
    if (this.lost) throw new Error('its assignment is lost')
  }

  take (max) { // at most max records
    this.assigned()
    const parts = new Map()
    for (const { partition, offset, value } of this.records.splice(0, max)) {
      if (!parts.has(partition)) parts.set(partition, { topic: this.topic, partition, assignment: 1, records: [] })
      parts.get(partition).records.push({ offset, value })
    }
    return { parts: [...parts.values()] }
  }

  async disconnect () {
    this.closed = true
    await this.consumer.disconnect()
  }
}

const clients = { producer: null, reader: null, member: null }
let readers = 0

const told = {
  async open () {
    await told.drop({ what: 'producer' })
    const made = kafka.producer({ 'transactional.id': config.transactional_id, 'transaction.timeout.ms': config.txn_timeout_ms, 'linger.ms': 0 })
    try {
      await made.connect()
    } catch (e) {
      await dispose(made)
      throw e
    }
    clients.producer = made
  },
  async begin () {
    await clients.producer.transaction()
  },
  // One by one, as librdkafka makes its batches, and others' may come between them.
  async send ({ records }) {
    const sent = await Promise.allSettled(records.map(({ topic, partition, value }) =>
      clients.producer.send({ topic, messages: [{ partition, value: Buffer.from(value, 'base64') }] })))
    return { records: sent.map(s => s.status === 'fulfilled' ? { offset: Number(s.value[0].baseOffset) } : { error: s.reason.message }) }
  },
  async offsets ({ offsets }) {
    const topics = new Map()
    for (const { topic, partition, offset } of offsets) {
      if (!topics.has(topic)) topics.set(topic, [])
      topics.get(topic).push({ partition, offset: String(offset) })
    }
    await retried(() => {
      clients.member.assigned()
      return clients.producer.sendOffsets({ consumer: clients.member.consumer, topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) })
    })
  },
  async commit () {
    await retried(() => clients.producer.commit())
  },
  async abort () {
    await retried(() => clients.producer.abort())
  },
  async read ({ isolation, offsets }) {
    await told.drop({ what: 'reader' })
    clients.reader = new Feed(`${config.group}-reader-${readers++}`, isolation, offsets[0].topic)
    await clients.reader.started
  },
  async poll () {
    if (clients.reader.records.length === 0) await sleep(100)
    return clients.reader.take(buffered)
  },
  async take () {
    if (!clients.member) clients.member = new Feed(config.group, 'read_committed', config.in)
    await clients.member.started
    if (clients.member.records.length === 0) await sleep(100)
    return clients.member.take(config.take_max)
  },
  async drop ({ what }) {
    const client = clients[what]
    clients[what] = null
    if (client) await dispose(client)
  },
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    let answer
    try {
      if (['begin', 'commit', 'abort', 'send', 'offsets'].includes(command.do) && !clients.producer) throw new Error('no producer')
      answer = await within(config.patience_ms, told[command.do](command)) || {}
    } catch (e) {
      answer = { error: `${e.code || e.name}: ${e.message}`, abort: Boolean(e.abortable) }
      // What took too long may still be under way in the producer, and belong to its next
      // transaction.
      if (e.message === 'took too long') await told.drop({ what: 'producer' })
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
}

main()
