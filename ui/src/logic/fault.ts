// What a person is told of a fault: what happened, and what was wrong with what was entered.
import type { FaultView } from "../api/bindings";
import type { Words } from "../messages/zh-CN";

/** What happened and is safe first. Only a refused plan names the place in it, because only a plan is written by hand. */
export function toldOf(fault: FaultView, plan: boolean, words: Words): string[] {
  const { path, problem } = fault.params;
  const wrong = words.problems[problem ?? ""];
  if (plan && path && wrong) return [words.importing.problem(path, wrong)];
  return wrong ? [words.faults[fault.code], wrong] : [words.faults[fault.code]];
}
