import { sign } from 'node:crypto'

/** Amazon SNS as the tests play it: signed with a key of their own, of no use for anything else. */

export const SNS_HOST = 'sns.eu-west-1.amazonaws.com'
export const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:mail-events'

export type SnsFields = Readonly<Record<string, string | undefined>>

/** A notification as SNS posts it; `changes` are signed with it. */
export function snsNotification(message: string, at: Date, changes: SnsFields = {}): SnsFields {
  return signSns({
    Type: 'Notification',
    MessageId: 'n-1',
    TopicArn: TOPIC,
    Message: message,
    Timestamp: at.toISOString(),
    SignatureVersion: '2',
    SigningCertURL: `https://${SNS_HOST}/SimpleNotificationService-0123456789abcdef.pem`,
    ...changes,
  })
}

/** Signs by AWS's "Verifying the signatures of Amazon SNS messages". */
export function signSns(fields: SnsFields): SnsFields {
  const names =
    fields.Type === 'Notification'
      ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
  const lines = names.filter((name) => fields[name] !== undefined).map((name) => `${name}\n${fields[name]}\n`)
  const algorithm = fields.SignatureVersion === '1' ? 'RSA-SHA1' : 'RSA-SHA256'
  return { ...fields, Signature: sign(algorithm, Buffer.from(lines.join('')), SNS_KEY).toString('base64') }
}

const SNS_KEY = `-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC2VGxNWxIbROgk
K55EBgEucfHnDyg0e0wmRuX34tI66YoLr2otslq3sx3asRtk2aBN6o7pXY6hIPgE
Y6NpozS9Cm4ETBfth8hNUnm41g9XEWC1v5JSspTSvAnzCUEtjDWDKRF0d8GN9Ft1
TXl7yg9BdUO18QGIZpzH2Rx2FLjecnsmp9+De7Ge64yrdX0Ykzk3Tg+yWDe4WTNr
jNh3Gezxhil75bmQMQqzz2Kcy/VfAzsMqLxZQLh3TBaxxRF6uc0xAb8tKzrIqYsk
PMo5G+lOtzPO8un5aMT/qJQwFlFJnO8/WG8qgZc2s0lDhtQabKnPE0gWlRXL8Lud
Ym0UFvAZAgMBAAECggEAAI/eDZb8RU0/Ee14fWkvU79SKY4oZ5EBuRR63Pq7/yZ9
IHAX+bAVC3/n1aa6GON61QKmEh4RtHlvikPsWwT/wp1nnWfGoxrKCUL50RIH1hLd
o3HFt6+JOeUOestKgiNufsr/nMZJuHBKX+AvQaxrw53i6YqmoI8AaLVImyyRLU5X
saZo0XuTjpWttsJBZmKv6E9HwU7F+LCcevTa7vJMDBVY02nLWlqGGiEAf6z0JkG0
aE/PrTfFsG1MktpQqXQ66iQn5vLPTppj2Zt1KsscYbyBgaNiJSc+UNyBSN+lw9Yi
6ZyLgDa/VkpuHTUuFjjCjcSL7A/1X3b3FSq3e/NkaQKBgQDgKM3ZJbK5+NwreCP8
wQclnhUnuSIfvEzjNpE4/UrBv7a1NXmVTB7PdEI/RSfw8GMiXic9cZ9dLivuCatg
IlhxXNjWo3o8X//ozn/puChaI3xW5tsDoPNDBQZEwWcvfVj1wNoMTnnyOP6wxOXx
i8zYTufWEt6bmwZuKsG1Intp2wKBgQDQOo1kSQHyYA8AVE7D9x63FnMe/ZxktFbe
sgXmsowCKHCFDd/DwvXF07Jcx9wAXRFQbFPi/JsjRVanMmFHLrIAHE7fiMoEOONb
XjgX8qiQoTvSldtXuYz+C1YV7DxDZwEf1VwGpnzOw7QVJs9nHgbBn7nHa8jvhCFf
BeRUPxIyGwKBgFT+497croJZ3JIXAf5K6vzWjkr7pfbGnZjiDfrAAGKq4Qqg9jMo
I96hxKTdAiIX5F8ZuGNR/A2G/l1KCVNwcny5qfbpEeZmuFB8TIBAtfxHzFPfQViE
5PiapR/Y/dlB/ENjFsrnztGLzvcUEeSfD9NNSBciHIqAI9YOHFkkdAtVAoGAfahn
/PXl29tGEj/OTIoLmhdNH42SXF9L8RXjY8Wpof+/bzvhJiS35ksLXtwpEnsXYL4O
nXMtN8q3MSzA8ZDnUBPFMTY+GvAtm8yu8xy3xpfWHw3aEQVjZUd4CsDF2TMGxawe
3dCIjsohGYaTMLo4/42hMgwEdS36aXqHwKNTGrMCgYAyoL4VY4ZXLKwXiGv/MzEy
SHks/yg9k3FbUOffeB6xU7i55MKYb5rZVjW9bwCfoybpOCxnYEAsWycLkng4JY/O
6j7Pi+siDq5jyDCU9/V8dVeFnDYdOkmDx2V3kVr+W8Ke7u/FZ/JgB/RCyaVMPm7P
c6JqaHiknz9Q45OiESQi8w==
-----END PRIVATE KEY-----`

/** What SNS would answer at SigningCertURL. */
export const SNS_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDGzCCAgOgAwIBAgIUA5mA+Byerr3vR+LKkmAI2tGVAmYwDQYJKoZIhvcNAQEL
BQAwHDEaMBgGA1UEAwwRc25zLmFtYXpvbmF3cy5jb20wIBcNMjYxMTIxMDcxMzQ0
WhgPMjEyNjEwMjgwNzEzNDRaMBwxGjAYBgNVBAMMEXNucy5hbWF6b25hd3MuY29t
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtlRsTVsSG0ToJCueRAYB
LnHx5w8oNHtMJkbl9+LSOumKC69qLbJat7Md2rEbZNmgTeqO6V2OoSD4BGOjaaM0
vQpuBEwX7YfITVJ5uNYPVxFgtb+SUrKU0rwJ8wlBLYw1gykRdHfBjfRbdU15e8oP
QXVDtfEBiGacx9kcdhS43nJ7Jqffg3uxnuuMq3V9GJM5N04Pslg3uFkza4zYdxns
8YYpe+W5kDEKs89inMv1XwM7DKi8WUC4d0wWscURernNMQG/LSs6yKmLJDzKORvp
TrczzvLp+WjE/6iUMBZRSZzvP1hvKoGXNrNJQ4bUGmypzxNIFpUVy/C7nWJtFBbw
GQIDAQABo1MwUTAdBgNVHQ4EFgQUQ5Q5PxsJyil2C8AT8kbL77xeeR4wHwYDVR0j
BBgwFoAUQ5Q5PxsJyil2C8AT8kbL77xeeR4wDwYDVR0TAQH/BAUwAwEB/zANBgkq
hkiG9w0BAQsFAAOCAQEAh0AR/4RSUVVAM0PpulZIDjJYWGbbZ8bfcoXA56d93wbX
ASPBxo/3GRF6os5TroEGuZ5VfQ3fEwXX22JKvskrLGkGsUDujkJeR2bYkCHRRcpo
coQ9CprvQg+N985VafYuat6pQV6gg1Gc6STMsGgTB45T8HiHOsDaaL89Rz4iW4KC
ZxpVLM0JcKy6RRI6jnwE8+Yod5E59szN1bi6FNrUyzvtuHYSkQPRHdvznJ+EFhQq
HQ5R0VblOHY6h265Ok2OuhCZgdsSHuVCuOA0GZS6ok307SDPCBCUofZMtA0oYrsr
Fi9WZhijn1kg09M8BGspUveAIRmZEyhhPKCIBCWMbw==
-----END CERTIFICATE-----`
