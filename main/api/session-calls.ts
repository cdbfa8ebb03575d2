/** The calls about sessions and about what waits for a person's word. */
import * as v from 'valibot';
import { approvalAnswer, emergency, type ApprovalAnswer, type ApprovalView } from './approval-view.ts';
import type { AttendedItem } from './attended.ts';
import { call, stream } from './call.ts';
import { parser } from './parser.ts';
import { agentsAndMembers, members, nothing, text } from './schema-parts.ts';
import type { ConsoleView, SessionView } from './views.ts';

/** What is open, closed by hand, looked on at. */
export const sessionCalls = {
  list: call<void, readonly SessionView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
  close: call<{ ids: string[] }, { closed: readonly string[] }>({
    needs: 'operate',
    own: members,
    parse: parser(v.strictObject({ ids: v.pipe(v.array(text(64)), v.minLength(1), v.maxLength(10_000)) })),
  }),
  /** What is done in a session as it happens, or with an approval's id in all sessions under it. Recorded. */
  attend: stream<{ id: string }, AttendedItem>({
    needs: 'operate',
    parse: parser(v.strictObject({ id: text(64) })),
  }),
  /** Every open session of one program or agent. */
  closeApp: call<{ app: string }, { closed: readonly string[] }>({
    needs: 'operate',
    parse: parser(v.strictObject({ app: text() })),
  }),
} as const;

/** Questions, answers, emergencies. */
export const approvalCalls = {
  list: call<void, readonly ApprovalView[]>({ needs: 'observe', parse: nothing }),
  answer: call<ApprovalAnswer, ApprovalView>({ needs: 'operate', parse: parser(approvalAnswer) }),
  /** Addresses that answer this one and open nothing else, until its time is over. */
  link: call<{ id: string }, ConsoleView>({
    needs: 'operate',
    parse: parser(v.strictObject({ id: approvalAnswer.entries.id })),
  }),
  /** Ask to be let in without approval, for a while and with an alarm where the service is hosted. */
  breakGlass: call<v.InferOutput<typeof emergency>, { until: string }>({
    needs: 'operate',
    parse: parser(emergency),
  }),
} as const;
