// What the Node.js programs in the folders beside it have in common; README.md above says
// what they are told. It knows no client library.
'use strict'
const readline = require('node:readline')

const config = JSON.parse(process.argv[2])
const goodbye = 2000 // ms that a client has when it is dropped
const buffered = 200 // records that wait for a poll
const moment = 100 // ms
const tooLong = 'took too long'

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Waits for a promise no longer than ms.
const within = async (ms, promise) => {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(tooLong)), ms) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

// A client that is dropped may be broken, and is not used again: close is how it ends.
const dispose = async close => {
  try {
    await within(goodbye, close())
  } catch (e) {
    console.error('close:', e.message)
  }
}

// The parts of an answer: records with their partition, of one assignment.
const parts = (topic, records) => {
  const all = new Map()
  for (const { partition, offset, value } of records) {
    if (!all.has(partition)) all.set(partition, { topic, partition, assignment: 1, records: [] })
    all.get(partition).records.push({ offset: Number(offset), value: value.toString('base64') })
  }
  return { parts: [...all.values()] }
}

// The offsets of records, of which send has one batch for each partition: bases are the
// first ones, each with its topic and partition.
const places = (records, bases) => {
  const next = new Map(bases.map(b => [`${b.topic} ${b.partition}`, b.offset]))
  return {
    records: records.map(({ topic, partition }) => {
      const at = `${topic} ${partition}`
      if (!(next.get(at) >= 0)) return { error: 'no offset' }
      next.set(at, next.get(at) + 1)
      return { offset: next.get(at) - 1 }
    }),
  }
}

// Offsets of an order by their topic.
const byTopic = offsets => {
  const topics = new Map()
  for (const { topic, partition, offset } of offsets) {
    if (!topics.has(topic)) topics.set(topic, [])
    topics.get(topic).push({ partition, offset: String(offset) })
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

// The orders to read, for libraries that read as the member of a group. A Feed is made of a
// group, an isolation and a topic; it has a promise started, records that wait, and take.
const reading = (told, clients, Feed) => {
  let readers = 0
  return {
    async read ({ isolation, offsets }) {
      await told.drop({ what: 'reader' })
      clients.reader = new Feed(`${config.group}-reader-${readers++}`, isolation, offsets[0].topic)
      await clients.reader.started
    },
    async poll () {
      if (clients.reader.records.length === 0) await sleep(moment)
      return clients.reader.take(buffered)
    },
    async take () {
      if (!clients.member) clients.member = new Feed(config.group, 'read_committed', config.in)
      await clients.member.started
      if (clients.member.records.length === 0) await sleep(moment)
      return clients.member.take(config.take_max)
    },
  }
}

// Carries out what standard input says. check throws where an order has nothing to work on,
// failed is the answer to what was thrown, and spoils says after which order's failure the
// producer is not used again.
const main = async (told, check, failed, spoils = () => false) => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    let answer
    try {
      check(command.do)
      answer = await within(config.patience_ms, told[command.do](command)) || {}
    } catch (e) {
      answer = failed(e)
      // What took too long may still be under way in the producer, and belong to its next
      // transaction.
      if (e.message === tooLong || spoils(command.do)) await told.drop({ what: 'producer' })
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
}

module.exports = { config, buffered, sleep, dispose, parts, places, byTopic, reading, main }
