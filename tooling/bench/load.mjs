/**
 * The visitor of a server: sends ready-made requests over a few kept-alive connections, from a process of its own.
 *
 * @module
 */
import { connect } from 'node:net'

const connections = 8

/** @type {{ port: number, status: number, requests: Buffer[] }} */
let order = { port: 0, status: 0, requests: [] }

process.on('message', async (/** @type {any} */ message) => {
  if (message === 'go') process.send?.({ answered: await visitAll() })
  else {
    const { port, status, headers } = message
    order = {
      port,
      status,
      requests: headers.map((/** @type {Record<string, string>} */ one) => write(port, one)),
    }
    process.send?.({ loaded: true })
  }
})

/** @param {number} port @param {Record<string, string>} headers */
function write(port, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`GET /report HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`)
}

/** @returns {Promise<number>} how many answers had the status that was expected */
async function visitAll() {
  const queue = order.requests.values()
  const answered = await Promise.all(Array.from({ length: connections }, () => visit(queue)))
  return answered.reduce((sum, part) => sum + part, 0)
}

/** @param {Iterator<Buffer>} queue @returns {Promise<number>} */
function visit(queue) {
  const socket = connect(order.port, '127.0.0.1').setNoDelay(true)
  let answered = 0
  let received = ''
  return new Promise((resolve, reject) => {
    const next = () => {
      const { value, done } = queue.next()
      if (done) socket.end(() => resolve(answered))
      else socket.write(value)
    }
    socket.setEncoding('latin1').on('connect', next).on('error', reject)
    socket.on('data', (text) => {
      received += text
      if (!isWhole(received)) return
      if (received.startsWith(`HTTP/1.1 ${order.status} `)) answered++
      received = ''
      next()
    })
  })
}

/** @param {string} text */
function isWhole(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2))
  return length ? text.length >= end + 4 + Number(length[1]) : text.endsWith('\r\n0\r\n\r\n')
}
