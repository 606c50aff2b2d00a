// kafkajs as a guest of a load; README.md above says what it is told.
'use strict'
const path = require('path')
const readline = require('readline')
const { Kafka, logLevel } = require(path.join(process.env.CLIENT_DIR, 'node_modules', 'kafkajs'))

const config = JSON.parse(process.argv[2])
const goodbye = 2000 // ms that a client has when it is dropped
const buffered = 200 // records that wait for a poll

const kafka = new Kafka({
  brokers: [config.brokers], logLevel: logLevel.NOTHING, requestTimeout: config.request_timeout_ms,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 },
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

// kafkajs reads as the member of a group, and hands over batches when it has them.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.joins = 0
    this.records = []
    this.consumer = kafka.consumer({
      groupId: group, readUncommitted: isolation === 'read_uncommitted', sessionTimeout: config.session_timeout_ms,
      heartbeatInterval: 300, maxWaitTimeInMs: 50,
    })
    this.consumer.on(this.consumer.events.GROUP_JOIN, () => this.joins++)
    this.started = this.start()
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch, heartbeat, isRunning, isStale }) => {
        const first = this.joins
        while (this.records.length >= buffered && isRunning()) {
          await sleep(20)
          await heartbeat()
        }
        // What was fetched before the group was joined again belongs to no assignment now.
        if (!isStale() && this.joins === first) {
          this.records.push(...batch.messages.map(m => ({ partition: batch.partition, offset: Number(m.offset), value: m.value.toString('base64') })))
        }
      },
    })
  }

  // At most max records. After a second assignment there are none: some of them would be
  // from before, and the offsets that it began with may be older than what was committed.
  take (max) {
    if (this.joins > 1) throw new Error('assigned a second time')
    const parts = new Map()
    for (const { partition, offset, value } of this.records.splice(0, max)) {
      if (!parts.has(partition)) parts.set(partition, { topic: this.topic, partition, assignment: 1, records: [] })
      parts.get(partition).records.push({ offset, value })
    }
    return { parts: [...parts.values()] }
  }
}

const clients = { producer: null, reader: null, member: null }
let transaction = null
let readers = 0

const told = {
  async open () {
    await told.drop({ what: 'producer' })
    clients.producer = kafka.producer({ transactionalId: config.transactional_id, idempotent: true, maxInFlightRequests: 1, transactionTimeout: config.txn_timeout_ms })
    await clients.producer.connect()
  },
  async begin () {
    transaction = await clients.producer.transaction()
  },
  // A batch for each partition, of which the answer has the first offset.
  async send ({ records }) {
    const batches = new Map()
    const places = records.map(({ topic, partition, value }) => {
      const at = `${topic} ${partition}`
      if (!batches.has(at)) batches.set(at, { topic, messages: [] })
      return { at, index: batches.get(at).messages.push({ partition, value: Buffer.from(value, 'base64') }) - 1 }
    })
    const answer = await transaction.sendBatch({ acks: -1, topicMessages: [...batches.values()] })
    const bases = new Map(answer.map(a => [`${a.topicName} ${a.partition}`, Number(a.baseOffset)]))
    return { records: places.map(({ at, index }) => bases.get(at) >= 0 ? { offset: bases.get(at) + index } : { error: 'no offset' }) }
  },
  async offsets ({ offsets }) {
    const topics = new Map()
    for (const { topic, partition, offset } of offsets) {
      if (!topics.has(topic)) topics.set(topic, [])
      topics.get(topic).push({ partition, offset: String(offset) })
    }
    await transaction.sendOffsets({ consumerGroupId: config.group, topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) })
  },
  async commit () {
    await transaction.commit()
  },
  async abort () {
    await transaction.abort()
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
    if (what === 'producer') transaction = null
    if (client) await dispose(client.consumer || client)
  },
}

// What kafkajs throws where nobody can catch it may have come from any of them.
process.on('uncaughtException', e => {
  console.error('uncaught:', e)
  for (const what of Object.keys(clients)) told.drop({ what })
})

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    let answer
    try {
      if (['commit', 'abort', 'send', 'offsets'].includes(command.do) && !transaction) throw new Error('no transaction')
      answer = await within(config.patience_ms, told[command.do](command)) || {}
    } catch (e) {
      answer = { error: `${e.type || e.name}: ${e.message}` }
      // What took too long may still be under way in the producer, and belong to its next
      // transaction.
      if (e.message === 'took too long') await told.drop({ what: 'producer' })
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
}

main()
