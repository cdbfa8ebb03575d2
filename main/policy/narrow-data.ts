/** Two contracts' words on data: each class is treated as the stricter of both says. Pure. */
import { defined } from '../base/defined.ts';
import {
  actionFor,
  dataGroups,
  foundClasses,
  ownClasses,
  stricterAction,
  type DataRules,
  type OwnDataClass,
} from '../base/engagement/data.ts';
import { either } from './narrow-parts.ts';

/** Never milder than either. */
export function narrowData(a: DataRules, b: DataRules): DataRules {
  const groups = {
    secrets: stricterAction(a.secrets, b.secrets),
    personal: stricterAction(a.personal, b.personal),
    injection: stricterAction(a.injection, b.injection),
  };
  const classes: Record<string, NonNullable<ReturnType<typeof actionFor>> | OwnDataClass> = {};
  for (const group of dataGroups) {
    for (const name of foundClasses[group]) {
      const both = stricterAction(actionFor(a, name), actionFor(b, name));
      if (both !== undefined && both !== groups[group]) classes[name] = both;
    }
  }
  for (const [name, own] of [...ownClasses(a), ...ownClasses(b)]) {
    const before = classes[name];
    classes[name] = typeof before === 'object' ? joined(before, own) : own;
  }
  return defined({ ...groups, classes: Object.keys(classes).length === 0 ? undefined : classes });
}

/** Wherever either of them finds it, as the stricter says. */
function joined(a: OwnDataClass, b: OwnDataClass): OwnDataClass {
  const fields = either(a.fields ?? ['$'], b.fields ?? ['$']);
  const action = stricterAction(a.action, b.action) ?? a.action;
  return defined({
    // All of a call cannot be replaced.
    action: action === 'redact' && fields?.includes('$') === true ? 'refuse' : action,
    fields,
    tools: a.tools === undefined || b.tools === undefined ? undefined : either(a.tools, b.tools),
  });
}
