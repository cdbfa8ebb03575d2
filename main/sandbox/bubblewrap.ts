/** The command line of bubblewrap, bwrap(1), for one start of an agent. Pure. */

/** What the program may see of the host, and what it is told. */
export interface SandboxPlan {
  /** A network of its own, with loopback alone. */
  readonly ownNetwork: boolean;
  /** No controlling terminal: on kernels that let a program type into its terminal, that would be a way out. */
  readonly ownSession: boolean;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Directories whose content is out of sight. */
  readonly hiddenDirectories: readonly string[];
  /** Files and sockets that are out of sight. */
  readonly hiddenFiles: readonly string[];
  /** Seen all the same below what is hidden. */
  readonly shown: readonly string[];
  readonly command: readonly string[];
}

/** Descriptors of the child by which it is told of, and held until it is known. */
export const infoDescriptor = 3;
/** The descriptor on which the sandbox waits before it runs the program. */
export const blockDescriptor = 4;

/** Namespaces that every start has. The user's is what makes the others to be had without privileges. */
export const namespaceArguments: readonly string[] = [
  '--unshare-user',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  '--die-with-parent',
];

/** The arguments that make a sandbox as planned. */
export function bubblewrapArguments(plan: SandboxPlan): readonly string[] {
  const variables = Object.entries(plan.environment).flatMap(([name, value]) => ['--setenv', name, value]);
  return [
    ...namespaceArguments,
    ...(plan.ownNetwork ? ['--unshare-net'] : []),
    ...(plan.ownSession ? ['--new-session'] : []),
    ...['--info-fd', `${infoDescriptor}`, '--block-fd', `${blockDescriptor}`],
    ...['--bind', '/', '/', '--dev', '/dev', '--proc', '/proc'],
    ...plan.hiddenDirectories.flatMap((path) => ['--perms', '0700', '--tmpfs', path]),
    ...plan.hiddenFiles.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...plan.shown.flatMap((path) => ['--bind', path, path]),
    ...['--clearenv', ...variables, '--chdir', plan.directory, '--'],
    ...plan.command,
  ];
}
