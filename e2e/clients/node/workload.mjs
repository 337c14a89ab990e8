// What programs in JavaScript do with Redis, and whether the answers are right:
//
//	node workload.mjs ioredis|redis HOST PORT         all kinds of commands
//	node workload.mjs ioredis|redis HOST PORT count   increments, through a kill of the server
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { createClient } from 'redis'

const [library, host, portText, mode] = process.argv.slice(2)
const port = Number(portText)

// connect returns functions that hide in what the two libraries differ: call
// sends a command, multi sends several in one transaction.
async function connect() {
  if (library === 'ioredis') {
    const c = new Redis({ host, port, maxRetriesPerRequest: 0, retryStrategy: () => 20 })
    c.on('error', () => {})
    return {
      call: (...args) => c.call(...args.map(String)),
      multi: async commands => {
        let m = c.multi()
        for (const [name, ...args] of commands) m = m[name.toLowerCase()](...args)
        const replies = await m.exec()
        return replies && replies.map(([err, reply]) => { if (err) throw err; return reply })
      },
      subscribe: async (channel, heard) => { c.on('message', (_, message) => heard(message)); await c.subscribe(channel) },
      end: () => c.disconnect(),
    }
  }
  const c = createClient({ socket: { host, port, reconnectStrategy: () => 20 }, disableOfflineQueue: true })
  c.on('error', () => {})
  await c.connect()
  return {
    call: (...args) => c.sendCommand(args.map(String)),
    multi: async commands => {
      const m = c.multi()
      for (const command of commands) m.addCommand(command.map(String))
      try { return await m.exec() } catch (err) { if (err.constructor.name === 'WatchError') return null; throw err }
    },
    subscribe: (channel, heard) => c.subscribe(channel, heard),
    end: () => c.destroy(),
  }
}

async function commands() {
  const a = await connect()
  const b = await connect()
  await a.call('FLUSHALL')
  assert.equal(await a.call('SET', 'ключ', 'значение'), 'OK')
  assert.equal(await a.call('GET', 'ключ'), 'значение')
  assert.equal(await a.call('GET', 'absent'), null)
  const counted = await Promise.all(Array.from({ length: 1000 }, () => a.call('INCR', 'n')))
  assert.deepEqual(counted, Array.from({ length: 1000 }, (_, i) => i + 1))
  assert.deepEqual(await a.multi([['SET', 's', '1'], ['INCR', 's'], ['RPUSH', 'l', 'x', 'y']]), ['OK', 2, 2])
  await a.call('WATCH', 's')
  await b.call('SET', 's', '5')
  assert.equal(await a.multi([['SET', 's', '6']]), null)
  assert.equal(await a.call('GET', 's'), '5')
  assert.equal(await a.call('HSET', 'h', 'a', '1', 'b', '2'), 2)
  assert.deepEqual(await a.call('HMGET', 'h', 'a', 'b', 'c'), ['1', '2', null])
  assert.equal(await a.call('ZADD', 'z', '2', 'b', '1', 'a'), 2)
  assert.deepEqual(await a.call('ZRANGE', 'z', '0', '-1'), ['a', 'b'])
  assert.deepEqual(await a.call('EVAL', "return {redis.call('INCR', KEYS[1]), ARGV[1]}", '1', 'e', 'arg'), [1, 'arg'])
  const popped = b.call('BRPOP', 'queue', '10')
  await a.call('LPUSH', 'queue', 'item')
  assert.deepEqual(await popped, ['queue', 'item'])
  const heard = []
  const done = new Promise(resolve => b.subscribe('news', message => { heard.push(message); if (heard.length === 10) resolve() })
    .then(async () => { for (let i = 0; i < 10; i++) await a.call('PUBLISH', 'news', i) }))
  await done
  assert.deepEqual(heard, Array.from({ length: 10 }, (_, i) => String(i)))
  const found = new Set()
  let cursor = '0'
  do {
    const [next, keys] = await a.call('SCAN', cursor, 'COUNT', '3')
    keys.forEach(key => found.add(key))
    cursor = next
  } while (cursor !== '0')
  assert.deepEqual([...found].sort(), ['e', 'h', 'l', 'n', 's', 'z', 'ключ'])
  a.end()
  b.end()
}

// count increments until so many were acknowledged: the counter ends between what
// was acknowledged and what was tried.
async function count() {
  const wanted = 500
  const c = await connect()
  await c.call('DEL', 'count')
  let acked = 0
  let unknown = 0
  while (acked < wanted) {
    try {
      const n = await c.call('INCR', 'count')
      acked++
      assert.ok(n >= acked && n <= acked + unknown, `${n} after ${acked} acknowledged and ${unknown} unknown increments`)
      if (acked === wanted / 2) console.log('half')
    } catch (err) {
      if (err instanceof assert.AssertionError) throw err
      unknown++
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  c.end()
}

await (mode === 'count' ? count() : commands())
console.log('ok')
