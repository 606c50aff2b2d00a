// @platformatic/kafka as a guest of a load; README.md above says what it is told.
'use strict'
const readline = require('node:readline')
const { pathToFileURL } = require('node:url')

const config = JSON.parse(process.argv[2])
const goodbye = 2000 // ms that a client has when it is dropped
const buffered = 200 // records that wait for a poll

let kafka // the module, which is loaded in main

const options = {
  clientId: 'guest', bootstrapBrokers: [config.brokers], connectTimeout: 2000, requestTimeout: config.request_timeout_ms,
  retries: 400, retryDelay: 50, autocreateTopics: false,
}

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
    await within(goodbye, client.close(true))
  } catch (e) {
    console.error('close:', e.message)
  }
}

// Feed reads as the member of a group, and keeps what the library's stream hands over.
class Feed {
  constructor (group, isolation, topic) {
    this.topic = topic
    this.joins = 0
    this.messages = []
    this.failed = null
    this.last = new Map() // message that was taken last, by partition
    this.consumer = new kafka.Consumer({
      ...options, groupId: group, sessionTimeout: config.session_timeout_ms, rebalanceTimeout: config.session_timeout_ms, heartbeatInterval: 300,
    })
    const fail = e => { this.failed ??= e }
    this.consumer.on('error', fail)
    this.consumer.on('consumer:heartbeat:error', ({ error }) => fail(error)) // it sends no heartbeat after one that failed
    this.consumer.on('consumer:group:join', () => this.joins++)
    this.started = this.start(isolation, fail)
  }

  async start (isolation, fail) {
    this.stream = await this.consumer.consume({
      topics: [this.topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxWaitTime: 50,
      isolationLevel: kafka.FetchIsolationLevels[isolation.toUpperCase()],
    })
    this.stream.on('error', fail)
    this.stream.on('data', m => {
      if (this.messages.push(m) >= buffered) this.stream.pause()
    })
  }

  // At most max records. After a second assignment there are none: some of them would be
  // from before, and the offsets that it began with may be older than what was committed.
  take (max) {
    if (this.failed) throw this.failed
    if (this.joins > 1) throw new Error('assigned a second time')
    const parts = new Map()
    for (const m of this.messages.splice(0, max)) {
      if (!parts.has(m.partition)) parts.set(m.partition, { topic: this.topic, partition: m.partition, assignment: 1, records: [] })
      parts.get(m.partition).records.push({ offset: Number(m.offset), value: m.value.toString('base64') })
      this.last.set(m.partition, m)
    }
    if (this.stream.isPaused()) this.stream.resume()
    return { parts: [...parts.values()] }
  }
}

const clients = { producer: null, reader: null, member: null }
let transaction = null
let readers = 0

const told = {
  // The first transaction asks for the producer's id, and is over before it is told to
  // the broker. The library asks with producer 0 of epoch 0, unless it is told better:
  // whoever was 0 may go on, and everybody else is fenced.
  async open () {
    await told.drop({ what: 'producer' })
    clients.producer = new kafka.Producer({
      ...options, idempotent: true, transactionalId: config.transactional_id, timeout: config.txn_timeout_ms, producerId: -1n, producerEpoch: -1,
    })
    const first = await clients.producer.beginTransaction()
    await first.cancel()
  },
  async begin () {
    transaction = await clients.producer.beginTransaction()
  },
  // A batch for each partition, of which the answer has the first offset.
  async send ({ records }) {
    const counts = new Map()
    const places = records.map(({ topic, partition }) => {
      const at = `${topic} ${partition}`
      counts.set(at, (counts.get(at) ?? -1) + 1)
      return { at, index: counts.get(at) }
    })
    const { offsets } = await transaction.send({
      messages: records.map(({ topic, partition, value }) => ({ topic, partition, value: Buffer.from(value, 'base64') })),
    })
    const bases = new Map(offsets.map(o => [`${o.topic} ${o.partition}`, Number(o.offset)]))
    return { records: places.map(({ at, index }) => bases.get(at) >= 0 ? { offset: bases.get(at) + index } : { error: 'no offset' }) }
  },
  // One after the other: of two at once the library sends the first.
  async offsets ({ offsets }) {
    await transaction.addConsumer(clients.member.consumer)
    for (const { partition, offset } of offsets) {
      const message = clients.member.last.get(partition)
      if (Number(message.offset) + 1 !== offset) throw new Error(`offset ${offset} is not behind ${message.offset}`)
      await transaction.addOffset(message)
    }
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
    if (clients.reader.messages.length === 0) await sleep(100)
    return clients.reader.take(buffered)
  },
  async take () {
    if (!clients.member) clients.member = new Feed(config.group, 'read_committed', config.in)
    await clients.member.started
    if (clients.member.messages.length === 0) await sleep(100)
    return clients.member.take(config.take_max)
  },
  async drop ({ what }) {
    const client = clients[what]
    clients[what] = null
    if (what === 'producer') transaction = null
    if (client) await dispose(client.consumer || client)
  },
}

const text = e => [`${e.code || e.name}: ${e.message}`, ...(e.errors || []).slice(-2).map(text)].join('; ')

async function main () {
  kafka = await import(pathToFileURL(process.env.CLIENT_DIR + '/node_modules/@platformatic/kafka/dist/index.js'))
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    let answer
    try {
      if (['commit', 'abort', 'send', 'offsets'].includes(command.do) && !transaction) throw new Error('no transaction')
      answer = await within(config.patience_ms, told[command.do](command)) || {}
    } catch (e) {
      answer = { error: text(e) }
      // A producer that failed to send does not count what may be there all the same: its
      // next batch would be taken for that one. What took too long may still be under way,
      // and belong to the next transaction.
      if (command.do === 'send' || e.message === 'took too long') await told.drop({ what: 'producer' })
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
}

main()
