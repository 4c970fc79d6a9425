/** Starts a Stellar network, asks it, stops, and must then end by itself. */
import { rpc } from '@stellar/stellar-sdk'
import { Stellar } from '../dist/stellar.js'

const network = await Stellar.start()
network.fault({ method: 'getLatestLedger', fail: 'hang' })
const server = new rpc.Server(network.rpcUrl, { allowHttp: true })
void server.getLatestLedger().catch(() => {})
console.log((await server.getHealth()).status)
await network.stop()
