/**
 * One LDK node: its keys, channels and router on the local chain, and the pump that turns its events into calls.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type {
  ChainMonitor,
  ChannelManager,
  Event,
  EventHandler,
  KeysManager,
  Logger,
  PeerManager,
  UserConfig,
} from 'lightningdevkit'
import type { Chain, Follower } from './chain.js'
import { type Devkit, optional, toHex, unwrap } from './devkit.js'
import type { Fees } from './payment.js'

/** What a node tells about the payments that reach it and leave it. */
export type Listener = {
  /** A payment has arrived whole and is held. `preimage` is known when the invoice's hash was made here. */
  claimable: (arrived: { paymentHash: string; amountMsat: bigint; preimage?: Uint8Array }) => void
  /** A payment is this node's. */
  claimed: (arrived: { paymentHash: string; amountMsat: bigint }) => void
  /** A payment that left has reached its payee. */
  sent: (left: { paymentHash: string; preimage: string; feeMsat: bigint }) => void
  /** A payment that left has come back. `reason` is LDK's. */
  failed: (left: { paymentHash: string; reason: string }) => void
}

/** A running LDK node. */
export type Engine = {
  devkit: Devkit
  chain: Chain
  manager: ChannelManager
  peers: PeerManager
  pubkey: Uint8Array
  /** Has LDK's events handled soon. To be called whenever LDK has been given something to do. */
  poke: () => void
  /** Resolves as soon as the condition holds, which is looked at after every round of events; a throw of it rejects. */
  until: (condition: () => boolean) => Promise<void>
  stop: () => void
}

/** What all bitcoin there will ever be comes to. */
const mostSatoshis = 2_100_000_000_000_000n

/** The error of every call after the end. */
const stopped = 'the Lightning network is stopped'

/**
 * Starts a node.
 *
 * @param options - LDK, the chain, the fees of forwarding, and who is told about payments.
 */
export function openEngine(options: openEngine.Options): Engine {
  const { devkit, chain, listener } = options
  const { manager, monitor, peers } = assemble(options)
  let waiting: Waiting[] = []
  let scheduled = false
  let running = true

  const handler = devkit.EventHandler.new_impl({
    handle_event(event) {
      events.push(event)
      return devkit.Result_NoneReplayEventZ.constructor_ok()
    },
  })
  const events: Event[] = []
  const drain = () => {
    scheduled = false
    if (!running) return
    peers.process_events()
    for (const source of [manager, monitor]) {
      source.as_EventsProvider().process_pending_events(handler as EventHandler)
    }
    const round = events.splice(0)
    for (const event of round) handle({ devkit, chain, manager, listener }, event)
    peers.process_events()
    waiting = waiting.filter((one) => !isOver(one))
    if (round.length > 0) poke()
  }
  const poke = () => {
    if (scheduled || !running) return
    scheduled = true
    setImmediate(drain)
  }

  const follower = follow(manager, monitor)
  chain.follow(follower)
  return {
    devkit,
    chain,
    manager,
    peers,
    pubkey: manager.get_our_node_id(),
    poke,
    until(condition) {
      if (!running) return Promise.reject(new Error(stopped))
      if (condition()) return Promise.resolve()
      poke()
      return new Promise((resolve, reject) => waiting.push({ condition, resolve, reject }))
    },
    stop() {
      running = false
      chain.unfollow(follower)
      for (const { reject } of waiting) reject(new Error(stopped))
      waiting = []
    },
  }
}

export declare namespace openEngine {
  type Options = { devkit: Devkit; chain: Chain; listener: Listener; fees: Fees }
}

type Waiting = { condition: () => boolean; resolve: () => void; reject: (error: unknown) => void }

/** Settles what has come true, or can no longer. */
function isOver({ condition, resolve, reject }: Waiting): boolean {
  try {
    if (!condition()) return false
    resolve()
  } catch (error) {
    reject(error)
  }
  return true
}

function follow(manager: ChannelManager, monitor: ChainMonitor): Follower {
  const listeners = [manager.as_Listen(), monitor.as_Listen()]
  return {
    connected(block, height) {
      for (const one of listeners) one.block_connected(block, height)
    },
    disconnected(header, height) {
      for (const one of listeners) one.block_disconnected(Uint8Array.from(header), height)
    },
  }
}

function assemble({ devkit, chain, fees }: openEngine.Options) {
  const now = Math.floor(Date.now() / 1000)
  const logger = devkit.Logger.new_impl({ log() {} })
  const keys = devkit.KeysManager.constructor_new(
    Uint8Array.from(randomBytes(32)),
    BigInt(now),
    randomBytes(4).readUInt32LE() % 1_000_000_000,
  )
  const estimator = devkit.FeeEstimator.new_impl({ get_est_sat_per_1000_weight: () => 253 })
  const broadcaster = devkit.BroadcasterInterface.new_impl({
    broadcast_transactions(transactions) {
      for (const raw of transactions) chain.broadcast(raw)
    },
  })
  const done = devkit.ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed
  // Nothing outlives the process.
  const persister = devkit.Persist.new_impl({
    persist_new_channel: () => done,
    update_persisted_channel: () => done,
    archive_persisted_channel() {},
  })
  const everything = devkit.Option_FilterZ.constructor_none()
  const monitor = devkit.ChainMonitor.constructor_new(
    everything,
    broadcaster,
    logger,
    estimator,
    persister,
  )
  const { router, messages } = makeRouters(devkit, keys, logger)
  const network = devkit.Network.LDKNetwork_Regtest
  const manager = devkit.ChannelManager.constructor_new(
    estimator,
    monitor.as_Watch(),
    broadcaster,
    router.as_Router(),
    messages.as_MessageRouter(),
    logger,
    keys.as_EntropySource(),
    keys.as_NodeSigner(),
    keys.as_SignerProvider(),
    configure(devkit, fees),
    devkit.ChainParameters.constructor_new(
      network,
      devkit.BestBlock.constructor_from_network(network),
    ),
    now,
  )
  const ignoring = devkit.IgnoringMessageHandler.constructor_new()
  const peers = devkit.PeerManager.constructor_new(
    manager.as_ChannelMessageHandler(),
    ignoring.as_RoutingMessageHandler(),
    ignoring.as_OnionMessageHandler(),
    ignoring.as_CustomMessageHandler(),
    now,
    keys.as_EntropySource().get_secure_random_bytes(),
    logger,
    keys.as_NodeSigner(),
  )
  return { manager, monitor, peers }
}

/** Routes are found from a node's own channels and the hints in invoices: there is no gossip. */
function makeRouters(devkit: Devkit, keys: KeysManager, logger: Logger) {
  const graph = devkit.NetworkGraph.constructor_new(devkit.Network.LDKNetwork_Regtest, logger)
  const decay = devkit.ProbabilisticScoringDecayParameters.constructor_default()
  const scorer = devkit.ProbabilisticScorer.constructor_new(decay, graph, logger)
  const router = devkit.DefaultRouter.constructor_new(
    graph,
    logger,
    keys.as_EntropySource(),
    devkit.MultiThreadedLockableScore.constructor_new(scorer.as_Score()).as_LockableScore(),
    devkit.ProbabilisticScoringFeeParameters.constructor_default(),
  )
  const messages = devkit.DefaultMessageRouter.constructor_new(graph, keys.as_EntropySource())
  return { router, messages }
}

/** One confirmation; as many HTLCs as the protocol allows; private channels through which others' payments may pass. */
function configure(devkit: Devkit, fees: Fees): UserConfig {
  const config = devkit.UserConfig.constructor_default()
  const handshake = config.get_channel_handshake_config()
  handshake.set_minimum_depth(1)
  handshake.set_announce_for_forwarding(false)
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100)
  handshake.set_our_max_accepted_htlcs(483)
  config.set_channel_handshake_config(handshake)
  const limits = config.get_channel_handshake_limits()
  limits.set_max_funding_satoshis(mostSatoshis)
  config.set_channel_handshake_limits(limits)
  const channel = config.get_channel_config()
  channel.set_forwarding_fee_base_msat(fees.baseMsat ?? 1_000)
  channel.set_forwarding_fee_proportional_millionths(fees.proportionalMillionths ?? 0)
  // HTLCs too small for the chain count against this; by default, a few hundred at once would be too many.
  channel.set_max_dust_htlc_exposure(
    devkit.MaxDustHTLCExposure.constructor_fixed_limit_msat(1_000_000_000n),
  )
  config.set_channel_config(channel)
  config.set_accept_forwards_to_priv_channels(true)
  return config
}

type Context = Pick<openEngine.Options, 'devkit' | 'chain' | 'listener'> & {
  manager: ChannelManager
}

function handle({ devkit, chain, manager, listener }: Context, event: Event): void {
  if (event instanceof devkit.Event_FundingGenerationReady) {
    const raw = chain.fund(event.output_script, event.channel_value_satoshis)
    unwrap(
      manager.funding_transaction_generated(
        event.temporary_channel_id,
        event.counterparty_node_id,
        raw,
      ),
      'funding the channel',
    )
  } else if (event instanceof devkit.Event_PendingHTLCsForwardable) {
    // LDK asks for a random delay here, for privacy.
    manager.process_pending_htlc_forwards()
  } else if (event instanceof devkit.Event_PaymentClaimable) {
    const preimage = optional<Uint8Array>(event.purpose.preimage())
    listener.claimable({
      paymentHash: toHex(event.payment_hash),
      amountMsat: event.amount_msat,
      ...(preimage ? { preimage } : {}),
    })
  } else if (event instanceof devkit.Event_PaymentClaimed) {
    listener.claimed({ paymentHash: toHex(event.payment_hash), amountMsat: event.amount_msat })
  } else if (event instanceof devkit.Event_PaymentSent) {
    listener.sent({
      paymentHash: toHex(event.payment_hash),
      preimage: toHex(event.payment_preimage),
      feeMsat: optional<bigint>(event.fee_paid_msat) ?? 0n,
    })
  } else if (event instanceof devkit.Event_PaymentFailed) {
    // The id of a payment is its hash, see outgoing.ts.
    listener.failed({
      paymentHash: toHex(event.payment_id),
      reason: describe(devkit, event.reason),
    })
  }
}

function describe(devkit: Devkit, reason: object): string {
  const code = optional<number>(reason)
  const name = code === undefined ? undefined : devkit.PaymentFailureReason[code]
  return name?.replace('LDKPaymentFailureReason_', '') ?? 'Unknown'
}
