/**
 * A viem account whose key is elsewhere: whatever is to be signed is hashed here and signed there.
 *
 * @module
 */
import {
  hashMessage,
  hashTypedData,
  keccak256,
  parseSignature,
  serializeTransaction,
  type Address,
  type Hex,
  type LocalAccount,
} from 'viem'
import { toAccount } from 'viem/accounts'

/**
 * Makes an account of a signer's address and URL.
 *
 * @example
 * const methods = [tempo({ account: createAccount({ address, url }) })]
 */
export function createAccount({ address, url }: Signer): LocalAccount {
  const sign = async ({ hash }: { hash: Hex }) => {
    const response = await fetch(url, { method: 'POST', body: hash })
    const answer = await response.text()
    if (!response.ok) throw new Error(`The signer refused: ${answer}`)
    return answer as Hex
  }
  return toAccount({
    address,
    sign,
    signMessage: ({ message }) => sign({ hash: hashMessage(message) }),
    signTypedData: (data) => sign({ hash: hashTypedData(data) }),
    async signTransaction(transaction, { serializer = serializeTransaction } = {}) {
      const hash = keccak256(await serializer(transaction))
      return serializer(transaction, parseSignature(await sign({ hash })))
    },
  })
}

/** Where a key is, and whose. */
export type Signer = { address: Address; url: string }
