import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { loadConfig, settingsTable } from '../src/config.ts'

const secret = () => randomBytes(32).toString('base64')

function complaints(env: Record<string, string>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    return (error as Error).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
  return []
}

describe('The configuration', () => {
  test('needs nothing: without any variable it is one process with everything embedded', () => {
    expect(loadConfig({})).toEqual({
      http: { host: '127.0.0.1', port: 4000, publicUrl: null, allowedOrigins: [], production: false },
      database: { url: null, poolSize: 20 },
      redisUrl: null,
      dataDir: './.carillon',
      roles: { api: true, worker: true },
      secretKeys: null,
      adminKey: null,
      mail: { smtpUrl: null, from: null },
      allowedNetworks: [],
      leaseSeconds: 60,
      limits: {
        bodyBytes: 6 * 1024 * 1024,
        listEntries: 10_000,
        frameBytes: 64 * 1024,
        subscriptionsPerSocket: 50,
        socketsPerUser: 20,
        sockets: 5_000,
        callsPerMinute: {
          putList: 20,
          deleteList: 20,
          subscribeToList: 20,
          unsubscribeFromList: 20,
          putAudience: 20,
          deleteAudience: 20,
          putTopic: 20,
          deleteTopic: 20,
          putTenant: 200,
          deleteTenant: 200,
          putBrand: 200,
          deleteBrand: 200,
          putTemplate: 200,
          publishTemplate: 200,
          deleteTemplate: 200,
          putProvider: 200,
          deleteProvider: 200,
          putWebhookEndpoint: 20,
          deleteWebhookEndpoint: 20,
          rotateWebhookSecret: 20,
          putEnvironment: 20,
          createApiKey: 20,
          rotateApiKey: 20,
          revokeApiKey: 20,
        },
      },
      logLevel: 'info',
    })
  })

  test('takes an empty variable for none', () => {
    expect(loadConfig({ DATABASE_URL: '', PORT: '', CARILLON_ALLOWED_NETWORKS: '' })).toEqual(loadConfig({}))
  })

  test('cannot be changed once it is read', () => {
    const config = loadConfig({ CARILLON_SECRET: secret() })
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.limits)).toBe(true)
    expect(Object.isFrozen(config.secretKeys)).toBe(true)
  })

  test('reads lists, several secrets, and networks with or without a prefix', () => {
    const keys = [secret(), secret()]
    const config = loadConfig({
      CARILLON_SECRET: keys.join(', '),
      CARILLON_ALLOWED_NETWORKS: '10.0.0.0/8, 192.168.1.7,fd00::/8, ::1',
      CARILLON_ALLOWED_ORIGINS: 'https://a.example,http://localhost:3000',
      CARILLON_PUBLIC_URL: 'https://notify.example/',
      NODE_ENV: 'production',
    })
    expect(config.secretKeys?.map((key) => Buffer.from(key).toString('base64'))).toEqual(keys)
    expect(config.allowedNetworks).toEqual(['10.0.0.0/8', '192.168.1.7/32', 'fd00::/8', '::1/128'])
    expect(config.http).toMatchObject({
      allowedOrigins: ['https://a.example', 'http://localhost:3000'],
      publicUrl: 'https://notify.example',
      production: true,
    })
  })

  test('complains about everything at once, a line for each variable', () => {
    const wrong = {
      PORT: '70000',
      DATABASE_URL: 'mysql://localhost',
      REDIS_URL: 'localhost:6379',
      CARILLON_ROLES: 'api,cook',
      CARILLON_SECRET: 'hunter2',
      CARILLON_ADMIN_KEY: 'ck_live_short',
      CARILLON_PUBLIC_URL: 'notify.example',
      SMTP_URL: 'http://mail',
      CARILLON_ALLOWED_NETWORKS: '10.0.0.0/33',
      CARILLON_ALLOWED_ORIGINS: 'https://a.example/',
      CARILLON_LEASE_SECONDS: '2',
      CARILLON_POOL_SIZE: '1e3',
      CARILLON_RATE_LIMITS: 'none',
      LOG_LEVEL: 'loud',
    }
    expect(complaints(wrong).map((line) => line.split(':')[0])).toEqual(Object.keys(wrong))
  })

  test('never repeats a value that may be a secret', () => {
    const said = complaints({ CARILLON_SECRET: 'hunter2', CARILLON_ADMIN_KEY: 'hunter2', DATABASE_URL: 'hunter2' }).join('\n')
    expect(said).not.toContain('hunter2')
  })

  test.each([
    [{ CARILLON_ROLES: 'worker' }, 'CARILLON_ROLES: a lone role needs DATABASE_URL'],
    [{ DATABASE_URL: 'postgres://db/carillon' }, 'CARILLON_SECRET: is required with DATABASE_URL'],
    [{ SMTP_URL: 'smtp://mail' }, 'MAIL_FROM: is required with SMTP_URL'],
  ])('refuses %j, which lacks its other half', (env, complaint) => {
    expect(complaints(env)).toEqual([expect.stringContaining(complaint)])
  })

  test('refuses a lease under 3 seconds and takes one of 3', () => {
    expect(complaints({ CARILLON_LEASE_SECONDS: '2' })).toEqual([
      'CARILLON_LEASE_SECONDS: must be a whole number from 3 to 86400',
    ])
    expect(loadConfig({ CARILLON_LEASE_SECONDS: '3' }).leaseSeconds).toBe(3)
  })

  test('takes other rate limits for some mutations, none for those of 0, and none at all where they are off', () => {
    const limits = (text: string) => loadConfig({ CARILLON_RATE_LIMITS: text }).limits.callsPerMinute
    expect(limits('putList=100, putBrand=0')).toMatchObject({ putList: 100, putTopic: 20 })
    expect(limits('putList=100, putBrand=0')).not.toHaveProperty('putBrand')
    expect(limits('off')).toEqual({})
  })

  test.each([
    ['send=5', 'CARILLON_RATE_LIMITS: may name only putList, '],
    ['__proto__=5', 'CARILLON_RATE_LIMITS: may name only putList, '],
    ['putList', 'CARILLON_RATE_LIMITS: must be off, or entries such as putList=100'],
    ['putList=-1', 'CARILLON_RATE_LIMITS: must be off, or entries such as putList=100'],
    ['off,putList=1', 'CARILLON_RATE_LIMITS: must be off, or entries such as putList=100'],
  ])('refuses the rate limits %j', (text, complaint) => {
    expect(complaints({ CARILLON_RATE_LIMITS: text })).toEqual([expect.stringContaining(complaint)])
  })

  test('is printed as a table with a line for each variable', () => {
    const table = settingsTable()
    expect(table).toContain('| variable | default | meaning |')
    expect(table).toContain('| PORT | 4000 | Where HTTP and WebSocket listen; 0 is any free port. |')
    expect(table.split('\n').every((line) => line.split('|').length === 5)).toBe(true)
  })
})
