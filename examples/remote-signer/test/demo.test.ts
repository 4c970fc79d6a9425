/**
 * The demo runs to its end and shows what it promises.
 *
 * @module
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'

const demo = fileURLToPath(new URL('../dist/demo.js', import.meta.url))

const pidsIn = (text: string) =>
  [...text.matchAll(/in process (\d+)/g)].map(([, pid]) => Number(pid))
const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('keys elsewhere pay twice, and refuse the third', { timeout: 60_000 }, async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [demo])
  expect(stderr).toBe('')
  const [start = '', first = '', second = '', third = ''] = stdout.split(/\n\n/)
  const customer = /customer +(0x[\dA-Fa-f]{40}),/.exec(start)?.[1]
  const sponsor = /fee payer +(0x[\dA-Fa-f]{40}),/.exec(start)?.[1]
  for (const visit of [first, second]) {
    expect(visit).toMatch(/answer +200 OK/)
    expect(visit).toMatch(/payment +0x[\da-f]{64}, success/)
    expect(visit).toMatch(new RegExp(`\\n +from +${customer}\\n +fee from +${sponsor}\\n`))
    expect(visit).not.toMatch(/not paid/)
  }
  expect(start).toMatch(/customer \$1, shop \$1, fee payer \$1$/)
  expect(first).toMatch(/customer \$0\.99, shop \$1\.01, fee payer \$0\.99[89]\d*$/)
  expect(second).toMatch(/customer \$0\.98, shop \$1\.02, fee payer \$0\.99[78]\d*$/)
  expect(third).toMatch(/answer +402 Payment Required\n +not paid +credential-failed: .*2 times an/)
  expect(third.trim().split('\n').at(-1)).toBe(second.split('\n').at(-1))

  const pids = pidsIn(start)
  expect(new Set(pids).size).toBe(3)
  expect(pids.filter(isRunning)).toEqual([])
})

test('a demo that is killed leaves no signer behind', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  await vi.waitUntil(() => stdout.includes('visit'), { timeout: 30_000 })
  const pids = pidsIn(stdout)
  expect(pids.filter(isRunning)).toHaveLength(3)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await vi.waitUntil(() => !pids.some(isRunning), { timeout: 10_000 })
})
