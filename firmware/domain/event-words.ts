/** Every event in words for people, and the number by which journald knows it: `journalctl MESSAGE_ID=…`, `journalctl -x`. */
import type { EventType } from './events.js'

export interface EventWords {
  /** 32 hexadecimal digits, never changed once released: catalogs and people's filters name them. */
  readonly messageId: string
  readonly subject: string
  /** What it means, and what to do. */
  readonly meaning: string
}

const words = (messageId: string, subject: string, meaning: string): EventWords => ({ messageId, subject, meaning })

export const eventWords: Readonly<Record<EventType, EventWords>> = {
  known: words(
    '1749c9b0642408e7fe8716a2ba6ec0c8',
    'A resident was recognised',
    'A visit of somebody enrolled began. Whether he was let in is an event of its own.',
  ),
  unknown: words(
    '8e1f4d153de1828312e18f4900551b5c',
    'A stranger was seen',
    'A visit of somebody who is not enrolled began. The door stayed as it was.',
  ),
  spoof: words(
    'e22900357efe302aba741cba9978f91a',
    'A picture of a face was shown',
    'The face before the camera did not look alive. It opens nothing where recognizer.liveness is "require".',
  ),
  granted: words(
    'a2da17ceb3997a713a27b94eb194ed96',
    'The door was opened',
    'The strike was powered. BY says for whom: face, exit, remote.',
  ),
  denied: words(
    'f5ba321410267e07c38c631fa2e33624',
    'A resident was not let in',
    'He was recognised, and the rules do not let him in now: REASON says why. "facelatch rules explain" says more.',
  ),
  forced: words(
    'd78de5afadb0ed246761dce85f150e3e',
    'The door was forced',
    'It opened without anybody having been let in or out. The alarm lasts until it is acknowledged.',
  ),
  held_open: words(
    '6eae47ae5f1ac347072d9e08dac458b3',
    'The door is held open',
    'It has been open for longer than door.heldOpenSeconds. Close it.',
  ),
  door_closed: words('1595175cace92f37b2a3127c1556d533', 'The door was closed', 'It had been open.'),
  exit: words(
    'ab6c9b6f8166426d8d89db35ed0e6319',
    'The exit button was pressed',
    'Somebody left. The exit button always opens.',
  ),
  tamper: words(
    'e114a7121dc46199d3b10da0d7704de6',
    'The housing was opened',
    'The tamper contact says so. Look after the device.',
  ),
  command: words('df7baf82b9887b36764c51a66ab8f065', 'A command was obeyed', 'It came over MQTT; TOPIC says which.'),
  jammed: words(
    '60ad3804f38eb831afd593d1ab1fe8c5',
    'The lock is jammed',
    'Strike and bolt disagree, or the line of the strike cannot be driven. Look after the lock and its wiring.',
  ),
  alarm_ended: words('8ac48d7444b9c09f4f26cc70a11af193', 'An alarm ended', 'ALARM says which, and BY what ended it.'),
  mode_changed: words('7e2e75341df42ca030e6e42536710e22', 'The mode was changed', 'Normal, lockdown, or open house.'),
  rules_loaded: words(
    'ea18009841a8983bc4c2b6d061bbaa91',
    'The access rules were read',
    'They are in force from now on.',
  ),
  rules_rejected: words(
    '69c64d5258d940db34facd06142f3e12',
    'The access rules cannot be used',
    'The last good ones stay in force. "facelatch rules check" says what is wrong.',
  ),
  config_rejected: words(
    '967d75ef96a3ba4589e9ef12ee36c684',
    'The configuration cannot be used',
    'The last good one guards the door: what was changed since is not in force. "facelatch config check" says what is wrong.',
  ),
  clock_jumped: words('6b4a5e830905223182aca0204ed7a61e', 'The clock was set', 'Rules with times go by the new time.'),
  clock_untrusted: words(
    'e5fa58b0bf2e3872588320d9dcf69c93',
    'The clock cannot be believed',
    'Until it is set, rules with times let nobody in. Look after time synchronisation.',
  ),
  clock_trusted: words('1f2572f4429569d06174f0947c3e72e6', 'The clock is right again', 'Rules with times hold again.'),
  enrolled: words('9410d02c09f02788acf2f1605bbe583f', 'Somebody was enrolled', 'From now on the door opens for him.'),
  enrol_failed: words(
    '122fd3ca56ed004f2109c0b6de88647e',
    'An enrolment failed',
    'Nobody was enrolled: REASON says why.',
  ),
  removed: words(
    '7bc4b0a43cc478a8f3b935d0901d40d3',
    'Somebody was removed',
    'The door does not open for him any more; his templates and names are forgotten.',
  ),
  renamed: words('d1027d7989850a4132ac8c4c2b36f13a', 'Somebody was renamed', 'It is the same person.'),
  refused: words(
    '16f8cc94310e14a6d817e3728bcc55c8',
    'A command or a press was refused',
    'Nothing was done: REASON says why.',
  ),
  camera_fault: words(
    '6be2633e7f9c131ef0dfbb177bc4fb49',
    'The camera gives no pictures',
    'Nobody is recognised; the exit button works. facelatch tries to bring it back by itself.',
  ),
  camera_restored: words(
    '11acdd933109b1bdfb7029ae6563f856',
    'The camera gives pictures again',
    'Faces are recognised again.',
  ),
  camera_step: words(
    '8fa04d5016819f96f20f9bf8f996bf32',
    'A step was taken to bring the camera back',
    'It was opened again, what stands behind it was restarted, or the machine is being rebooted.',
  ),
  camera_failed: words(
    'ff42a1742dd2117ab89e075379f3397f',
    'The camera has failed',
    'Everything was tried. It is tried again every minute; look after its cable, its driver and its power.',
  ),
  recognizer_lost: words(
    '41113ad572d155edd534b31607483902',
    'The recognizer died',
    'It is started again at once; the exit button works meanwhile. "crashes" beside the store says more.',
  ),
  recognizer_ready: words('7ceba1fc2f7dba9c72149fb724252961', 'The recognizer is ready', 'Its nets are loaded.'),
  engine_fallback: words(
    'ae64c070221c02d086f5d2fb62c55708',
    'The GPU is not used',
    'The processor computes instead, more slowly: REASON says why.',
  ),
  embedder_fallback: words(
    '3f39c2954cba418eb6cec93ab64379e6',
    'The best embedder is damaged',
    'Another one runs, which knows nobody whom it has no templates of. REASON says which file, and how it is got again.',
  ),
  store_fault: words(
    'fa0f9b94ed81b50a77d801201e18bda9',
    'Events cannot be kept',
    'The disk is full, read-only or broken: REASON says which. The door works on, and events wait in memory.',
  ),
  fan_fault: words(
    '506c609c6a296e3711bc4cfdc17dc6f3',
    'The fan is not well',
    'It does not turn, cannot be driven, or no temperature can be read.',
  ),
  fan_restored: words('8db277b13b656196a55a27549c33c738', 'The fan is well again', 'It turns as it is told.'),
  store_restored: words(
    '0baadf3a753180a2b8c5b9c825da948c',
    'Events are kept again',
    'What waited in memory is stored.',
  ),
  store_replaced: words(
    '81c77101917cd46230093220f6b541a1',
    'The store was replaced',
    'It was damaged or gone; a backup, or what could be saved, took its place. What was there before is kept aside.',
  ),
  key_lost: words(
    '96cb803f24c1dabf04bd608927a7f9dc',
    'The key of the templates is lost',
    'Nobody is recognised until it is put back, or everybody is enrolled again: "facelatch doctor".',
  ),
  key_replaced: words(
    '0981714b49013b43df372b6ae87509bc',
    'There is a new key',
    'Whoever was sealed with the lost one has to be enrolled again.',
  ),
  job_failed: words(
    'd33c3ca86a788d300c52ad44de2a2559',
    'A job of the night failed',
    'It is tried again within the hour: REASON says why it failed.',
  ),
  started: words(
    'aa179d0d55ccec349dda9c5f9bf10f0a',
    'facelatch guards the door',
    'AFTER says how the run before ended, where that was not in order.',
  ),
  stopped: words(
    '19829989d633498430ae8f21e47f0c6a',
    'facelatch was stopped',
    'The strike is in its fail state; nobody guards the door.',
  ),
}
