/**
 * A method's own part of the server's store.
 *
 * @module
 */
import type * as Store from '../Store.js'

/** Every key begins with the method's name, so that no method reads or writes what is another's, or the core's. */
export class MethodStore implements Store.Store {
  readonly name: string
  readonly volatile: boolean
  private readonly store: Store.Store
  private readonly prefix: string

  constructor(store: Store.Store, method: string) {
    this.name = store.name
    this.volatile = store.volatile ?? false
    this.store = store
    this.prefix = `mpp:method:${method}:`
  }

  get(key: string): Promise<Store.Value | undefined> {
    return this.store.get(this.prefix + key)
  }

  set(key: string, value: Store.Value, options: { ttl: number }): Promise<void> {
    return this.store.set(this.prefix + key, value, options)
  }

  delete(key: string): Promise<void> {
    return this.store.delete(this.prefix + key)
  }

  update(
    key: string,
    change: Store.update.Change,
    options: Store.update.Options,
  ): Promise<Store.Value | undefined> {
    return this.store.update(this.prefix + key, change, options)
  }

  claim(entries: readonly Store.Entry[]): Promise<Store.Claim> {
    return this.store.claim(entries.map((entry) => ({ ...entry, key: this.prefix + entry.key })))
  }
}
