/** `npm run fuzz -- --differential N`. */
export async function differential(count: number, seed: number, json: boolean): Promise<number> {
  process.stdout.write(`${JSON.stringify({ count, seed, json })}\n`);
  return 2;
}
