/**
 * What an enrolment at the door does to the store. The session's conditions are checked again on what the store holds now,
 * and the transaction goes through only if that has not changed since.
 */
import { lookAlike } from '../domain/enrolment.js'
import { isAdmin, type Saving } from '../domain/enrolment-session.js'
import type { StoredEvent } from '../domain/events.js'
import { sameName } from '../domain/names.js'
import { type Store, StoreError } from '../ports.js'
import type { EnrolmentAnswer } from './enrolling.js'

/** Another process that changes people at the same moment is waited for so many times. */
const attempts = 3
/** An enrolment longer ago cannot be undone at the door, ms. */
const undoableMs = 24 * 60 * 60 * 1000
const undoReason = 'undone at the door'

/** Never rejects: what the store could not do is the answer. */
export async function savePerson(
  store: Store,
  saving: Saving,
  { embedder, admins, now }: { embedder: string; admins: readonly string[]; now: () => number },
): Promise<EnrolmentAnswer> {
  const { session, by, authority, admin, templates, threshold } = saving
  const refuse = (reason: string): EnrolmentAnswer => ({ type: 'not-saved', session, reason })
  for (let attempt = 1; ; attempt++) {
    try {
      const revision = await store.galleryRevision()
      const people = await store.people()
      if (authority === 'empty' && people.length > 0) return refuse('somebody was enrolled meanwhile')
      if (authority === 'admin' && !people.some(({ name }) => sameName(name, admin ?? '')))
        return refuse('the admin is not enrolled any more')
      if (authority === 'empty' && !(await store.isNew()))
        return refuse('the store was lost and begun anew: enrol with "facelatch people add"')
      const taken = people.find(({ name }) => saving.name !== undefined && sameName(name, saving.name))
      if (taken) return refuse(`"${taken.name}" is enrolled already`)
      const like = lookAlike(templates, await store.gallery(embedder), '', threshold)
      if (like) return refuse(`looks like ${like.person}`)
      const name = saving.name ?? nextVisitor(await store.lastVisitor(), authority === 'empty' ? [] : admins)
      const rows = templates.map((template) => ({ embedder, ...template }))
      const detail = { by, authority, templates: rows.length, embedder, ...(admin !== undefined && { admin }) }
      const person = await store.enrol(name, rows, [{ type: 'enrolled', person: name, detail }], revision)
      return { type: 'saved', session, person: person.name, now: now() }
    } catch (error) {
      if (error instanceof StoreError && error.code === 'changed' && attempt < attempts) continue
      return refuse((error as Error).message)
    }
  }
}

/** One more than the highest number there ever was; never a name that an admin is meant to have. */
function nextVisitor(last: number, admins: readonly string[]): string {
  for (let number = last + 1; ; number++) if (!isAdmin(admins, `visitor-${number}`)) return `visitor-${number}`
}

/** Never rejects. The audit log knows who was enrolled here last, also after a restart. */
export async function undoEnrolment(store: Store, wall: Date): Promise<EnrolmentAnswer> {
  try {
    const since = new Date(wall.getTime() - undoableMs).toISOString()
    const person = lastEnrolled(await store.events({ since }))
    if (person === undefined) return { type: 'not-undone', reason: 'there is no enrolment of this door to undo' }
    const removed = await store.removePerson(person, [{ type: 'removed', person, detail: { reason: undoReason } }])
    return removed ? { type: 'undone', person } : { type: 'not-undone', reason: `"${person}" is not enrolled any more` }
  } catch (error) {
    return { type: 'not-undone', reason: (error as Error).message }
  }
}

/** Whoever was enrolled here last, by his present name; nobody when he is gone. */
function lastEnrolled(events: readonly StoredEvent[]): string | undefined {
  let person: string | undefined
  for (const { type, person: who, detail } of events) {
    if (type === 'enrolled' && (detail?.by === 'button' || detail?.by === 'remote')) person = who
    if (person === undefined || who === undefined || !sameName(who, person)) continue
    if (type === 'removed') person = undefined
    if (type === 'renamed') person = String(detail?.to)
  }
  return person
}
