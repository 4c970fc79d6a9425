import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const dist = new URL('../dist/', import.meta.url)

test('the declarations ask for no newer TypeScript than 5.4: buffers took a type argument with 5.7', () => {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.d.ts'),
  )
  expect(files.length).toBeGreaterThan(20)
  const newer = files.filter((file) =>
    /\b(?:Uint8Array|ArrayBufferView|DataView)</.test(readFileSync(new URL(file, dist), 'utf8')),
  )
  expect(newer).toEqual([])
})
