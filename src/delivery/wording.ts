import type { Rendered } from '../channels/provider.ts'
import type { Routed, Step, Stopped } from '../domain/plan.ts'
import { refusalOf, withoutRefused } from '../domain/rendering.ts'
import { RenderRefusal } from '../render/template.ts'

/** What a message says by each of its accounts, rendered when it is their turn, and which of its steps cannot say it. */
export class Wording {
  readonly #render: (step: Step) => Promise<Rendered>
  /** By account, since an account may have words of its own. */
  readonly #contents = new Map<string, Rendered | RenderRefusal>()
  readonly #refused = new Map<Step, RenderRefusal>()

  /** @param render throws a RenderRefusal for what cannot be said */
  constructor(render: (step: Step) => Promise<Rendered>) {
    this.#render = render
  }

  /** False: what the steps say was known already, and no time has passed. */
  async prepare(steps: readonly Step[]): Promise<boolean> {
    const missing = new Map(steps.map((step) => [step.providerId, step]))
    for (const known of this.#contents.keys()) missing.delete(known)
    const rendered = [...missing.values()].map(async (step) => {
      this.#contents.set(step.providerId, await this.#render(step).catch(refusalOf))
    })
    await Promise.all(rendered)
    return missing.size > 0
  }

  /** Of a step that was prepared and not refused. */
  of({ providerId }: Step): Rendered {
    return this.#contents.get(providerId) as Rendered
  }

  /**
   * What is left of a route without those of the steps that were refused, now or before; null: none of these was. A step that
   * may have taken the message keeps its place, whatever is refused to another address of its account.
   *
   * @param steps of the route, prepared
   * @param planned the whole route, as it was planned
   */
  leaveOut(steps: readonly Step[], planned: Routed): Routed | Stopped | null {
    let isLess = false
    for (const step of steps) {
      const content = this.#contents.get(step.providerId)
      if (!(content instanceof RenderRefusal)) continue
      this.#refused.set(step, content)
      isLess = true
    }
    return isLess ? withoutRefused(planned, this.#refused) : null
  }
}
