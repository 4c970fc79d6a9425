/**
 * The SDK's weight stays off every path that does not need it: the wire, the choice among offers, and the offer itself.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const key = `{ publicKey: () => 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN', sign: () => new Uint8Array(64) }`

const WIRE = `import { charge } from '@polyrail/stellar'\nconsole.log(charge.name)`
const CHOICE = `
  import { stellar } from '@polyrail/stellar/client'
  const method = stellar.charge({ account: ${key} })
  const request = { amount: '1', currency: 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75', recipient: 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75', methodDetails: { network: 'stellar:pubnet' } }
  console.log(String(method.accepts({ challenge: { request } })))
`
const OFFER = `
  import { Mpp } from '@polyrail/core/server'
  import { stellar } from '@polyrail/stellar/server'
  const recipient = 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
  const mpp = Mpp.create({ methods: [stellar({ recipient })], realm: 'shop.example', secretKey: 'a secret of this test, which is long enough' })
  const page = mpp.charge({ amount: '1' })(() => new Response('goods'))
  console.log((await page(new Request('https://shop.example/'))).status)
`

test.each([
  ['the wire', 'node', WIRE, 'stellar'],
  ['the wire', 'browser', WIRE, 'stellar'],
  ['a client that chooses', 'node', CHOICE, 'undefined'],
  ['a client that chooses', 'browser', CHOICE, 'undefined'],
  ['a server that offers', 'node', OFFER, '402'],
  ['a server that offers', 'browser', OFFER, '402'],
] as const)(
  '%s, for %s, does without the SDK',
  async (_, platform, contents, said) => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'))
    try {
      const { metafile } = await build({
        stdin: { contents, resolveDir: import.meta.dirname },
        bundle: true,
        format: 'esm',
        splitting: true,
        platform,
        outdir: folder,
        outExtension: { '.js': '.mjs' },
        metafile: true,
        logLevel: 'error',
      })
      const { outputs } = metafile
      const loaded = new Set<string>()
      const load = (file: string) => {
        if (loaded.has(file)) return
        loaded.add(file)
        const statics = outputs[file]?.imports.filter(({ kind }) => kind === 'import-statement')
        for (const { path } of statics ?? []) load(path)
      }
      const [entry] = Object.keys(outputs).filter((file) => outputs[file]?.entryPoint === '<stdin>')
      load(entry!)
      const inputs = [...loaded].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}))
      expect(inputs.filter((input) => /stellar-sdk|js-xdr|noble/.test(input))).toEqual([])
      const { stdout } = await promisify(execFile)(process.execPath, [entry!], {
        cwd: process.cwd(),
      })
      expect(stdout.trim()).toBe(said)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  30_000,
)
