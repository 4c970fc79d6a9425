/**
 * A store in a folder, for processes that die: its atomic step is the linking of a new file.
 *
 * @module
 */
import { createHash, randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Store } from '@polyrail/core/server'

/**
 * Keys are folders, and their versions files in them: `1`, `2`, … Whoever links the next number has
 * written; a version that is empty means that the key is deleted.
 *
 * @param {string} folder
 */
export function fileStore(folder) {
  mkdirSync(folder, { recursive: true })

  /** @param {string} key */
  const place = (key) => join(folder, createHash('sha256').update(key).digest('hex').slice(0, 32))

  /** @param {string} key */
  function read(key) {
    mkdirSync(place(key), { recursive: true })
    const version = Math.max(0, ...readdirSync(place(key)).map(Number))
    const value = version === 0 ? '' : readFileSync(join(place(key), String(version)), 'utf8')
    return { version, value: value === '' ? undefined : value }
  }

  /**
   * @param {string} key
   * @param {number} version
   * @param {string} value
   */
  function write(key, version, value) {
    const draft = join(folder, `draft-${randomUUID()}`)
    writeFileSync(draft, value)
    try {
      linkSync(draft, join(place(key), String(version)))
      return true
    } catch {
      return false
    } finally {
      unlinkSync(draft)
    }
  }

  return Store.from({
    name: 'files',
    get: async (key) => read(key).value,
    async set(key, value) {
      while (!write(key, read(key).version + 1, value));
    },
    async delete(key) {
      while (!write(key, read(key).version + 1, ''));
    },
    async compareAndSet(key, expected, next) {
      const { version, value } = read(key)
      return value === expected && write(key, version + 1, next)
    },
  })
}
