/** A verdict on the journal as clients see it. */
import type { AuditVerdict } from '../../audit/verify.ts';
import type { AuditVerifyView } from '../../api/record-views.ts';

export function verifyView(verdict: AuditVerdict): AuditVerifyView {
  const { ok, count, head, firstBad, gaps, checkpoints, signers, unsignedBefore, witness } = verdict;
  return {
    ok,
    count,
    gaps,
    checkpoints,
    signers,
    ...(head === undefined ? {} : { head }),
    ...(unsignedBefore === undefined ? {} : { unsignedBefore }),
    ...(firstBad === undefined ? {} : { firstBad }),
    ...(witness === undefined ? {} : { witness }),
  };
}
