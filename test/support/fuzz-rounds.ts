/**
 * How many cases a fuzz or property test of something that parses goes through: `preset` by default, which keeps the suite quick, or as many as
 * `CULVERT_FUZZ` says, the same for all of them.
 */
export function fuzzRounds(preset: number): number {
  const wanted = Number(process.env['CULVERT_FUZZ'] ?? '');
  return Number.isInteger(wanted) && wanted > 0 ? wanted : preset;
}
