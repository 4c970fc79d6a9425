#!/usr/bin/env node
/**
 * `polyrail-conformance <url>`: probes a server from the command line.
 *
 * @module
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Method } from '@polyrail/core'
import { probe } from './probe.js'
import { line, summary } from './report.js'

const HELP = `Usage: polyrail-conformance <url> [options]

Checks that a priced URL speaks the Payment HTTP authentication scheme as its drafts say.
Nothing is paid unless --client says how.

  --method <name>      HTTP method of the priced request (GET, or POST with a body)
  --header <n: v>      a header to send; may be given several times
  --body <text>        a body to send
  --other <url>        another priced URL of the same price
  --client <module>    a module whose default export is a payment method's client: pays with it
  --unsafe             also send PUT, PATCH and DELETE without payment
  --requests <n>       most requests in all (500)
  --timeout <seconds>  most seconds in all (120)
  --json               print one JSON report and nothing else

Exit code: 0 all passed, 1 something failed, 2 the command makes no sense.`

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
// Once all is printed, whatever a client's module still holds open.
process.stdout.write('', () => process.exit())

async function main(): Promise<number> {
  const { values, positionals } = read()
  const [url, ...more] = positionals
  if (values.help || url === undefined || more.length > 0) {
    console[values.help ? 'log' : 'error'](HELP)
    return values.help ? 0 : 2
  }
  const { json } = values
  const report = await probe(url, {
    ...(await request(values)),
    requests: readNumber('requests', values.requests, 500),
    timeout: readNumber('timeout', values.timeout, 120) * 1000,
    ...(!json && { onResult: (result) => console.log(line(result)) }),
  })
  console.log(json ? JSON.stringify({ url, ...report }, undefined, 2) : summary(report))
  return report.failed === 0 ? 0 : 1
}

async function request(values: ReturnType<typeof read>['values']): Promise<probe.Options> {
  const { method = values.body === undefined ? 'GET' : 'POST', body, other, client } = values
  return {
    method,
    headers: Object.fromEntries((values.header ?? []).map(readHeader)),
    unsafe: values.unsafe ?? false,
    ...(body !== undefined && { body }),
    ...(other !== undefined && { other }),
    ...(client !== undefined && { client: await load(client) }),
  }
}

function read() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  return parseArgs({
    allowPositionals: true,
    options: {
      method: text,
      header: { type: 'string', multiple: true },
      body: text,
      other: text,
      client: text,
      unsafe: flag,
      requests: text,
      timeout: text,
      json: flag,
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function readHeader(given: string): [string, string] {
  const colon = given.indexOf(':')
  if (colon < 1) throw new TypeError(`--header "${given}" is not "name: value".`)
  return [given.slice(0, colon).trim(), given.slice(colon + 1).trim()]
}

function readNumber(name: string, given: string | undefined, otherwise: number): number {
  const number = given === undefined ? otherwise : Number(given)
  if (!(number > 0)) throw new TypeError(`--${name} must be a number above 0.`)
  return number
}

async function load(path: string): Promise<Method.Client> {
  const { default: client }: { default?: Method.Client } = await import(
    pathToFileURL(resolve(path)).href
  )
  if (typeof client?.createCredential !== 'function')
    throw new TypeError(`${path} has no default export made with Method.toClient.`)
  return client
}
