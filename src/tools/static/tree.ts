/** A directory that is offered to the world: what a path of a URL stands for in it, and nothing outside of it, links included. */

import { constants } from 'node:fs';
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

export interface Entry {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Octets. */
  readonly size: number;
  readonly modified: Date;
}

export type Found =
  | {
      readonly what: 'file';
      readonly handle: FileHandle;
      readonly name: string;
      readonly size: number;
      readonly modified: Date;
    }
  | { readonly what: 'directory'; readonly entries: readonly Entry[] }
  /** A directory that was asked for without the slash behind it. */
  | { readonly what: 'moved' }
  | { readonly what: 'nothing' | 'forbidden' | 'bad' };

export class Tree {
  readonly #root: string;
  readonly #hidden: boolean;

  /** `root` is a real path; `hidden`: names that begin with a dot are there too. */
  constructor(root: string, hidden = false) {
    this.#root = root;
    this.#hidden = hidden;
  }

  /** What the path of a URL, still percent-encoded and without its query, stands for. The caller closes a file's handle. */
  async find(urlPath: string): Promise<Found> {
    const names = namesOf(urlPath);
    if (names === undefined) return { what: 'bad' };
    if (!this.#hidden && names.some((name) => name.startsWith('.'))) return { what: 'nothing' };
    try {
      const path = await realpath(join(this.#root, ...names));
      if (!this.#isInside(path)) return { what: 'nothing' };
      return await this.#open(path, urlPath.endsWith('/'));
    } catch (error) {
      return { what: notFound(error) };
    }
  }

  #isInside(path: string): boolean {
    return path === this.#root || path.startsWith(this.#root === sep ? sep : this.#root + sep);
  }

  async #open(path: string, isDirectoryPath: boolean): Promise<Found> {
    // Not to wait for ever at a FIFO that nobody writes to.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let kept = false;
    try {
      const facts = await handle.stat();
      if (facts.isFile()) {
        if (isDirectoryPath) return { what: 'nothing' };
        kept = true;
        return { what: 'file', handle, name: path, size: facts.size, modified: facts.mtime };
      }
    } finally {
      if (!kept) await handle.close();
    }
    if (!(await stat(path)).isDirectory()) return { what: 'forbidden' };
    if (!isDirectoryPath) return { what: 'moved' };
    const index = await this.#index(path);
    return index ?? { what: 'directory', entries: await this.#entries(path) };
  }

  async #index(path: string): Promise<Found | undefined> {
    try {
      const index = await realpath(join(path, 'index.html'));
      const found = this.#isInside(index) ? await this.#open(index, false) : undefined;
      return found?.what === 'file' ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Directories first, each sort by name; links that lead out, and what vanishes meanwhile, are left out. */
  async #entries(path: string): Promise<readonly Entry[]> {
    const names = (await readdir(path)).filter((name) => this.#hidden || !name.startsWith('.'));
    const entries = await Promise.all(
      names.map(async (name): Promise<Entry | undefined> => {
        try {
          const real = await realpath(join(path, name));
          if (!this.#isInside(real)) return undefined;
          const facts = await stat(real);
          return { name, isDirectory: facts.isDirectory(), size: facts.size, modified: facts.mtime };
        } catch {
          return undefined;
        }
      }),
    );
    return entries
      .filter((entry) => entry !== undefined)
      .sort((a, b) => Number(b.isDirectory) - Number(a.isDirectory) || ORDER.compare(a.name, b.name));
  }
}

const ORDER = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Undefined: not a path. A name may hold anything but what separates names or ends them. */
function namesOf(urlPath: string): readonly string[] | undefined {
  if (!urlPath.startsWith('/')) return undefined;
  const names: string[] = [];
  for (const part of urlPath.split('/')) {
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    if (name === '' || name === '.') continue;
    if (name === '..' || name.includes('/') || name.includes('\0')) return undefined;
    names.push(name);
  }
  return names;
}

function notFound(error: unknown): 'nothing' | 'forbidden' {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'nothing';
}
