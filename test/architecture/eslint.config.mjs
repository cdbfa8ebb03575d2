// Lint rules of the whole house; the import table is tested beside this file, in imports.test.ts.
import tseslint from 'typescript-eslint';

/** No `any`, nothing floating, nothing swallowed: what house conventions 3 to 5 ask for. */
const typed = {
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  '@typescript-eslint/no-unnecessary-type-assertion': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  '@typescript-eslint/prefer-readonly': 'error',
  '@typescript-eslint/no-non-null-assertion': 'error',
};

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'native/**', '.cache/**'] },
  {
    files: ['main/**/*.ts', 'app/**/*.{ts,tsx}', 'test/**/*.{ts,tsx}', 'resources/scripts/**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: new URL('../..', import.meta.url).pathname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      ...typed,
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-console': 'error',
      eqeqeq: 'error',
      'prefer-const': 'error',
      'no-var': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'name what you export' },
        { selector: 'TSEnumDeclaration', message: 'use a union or an `as const` table' },
        {
          selector: 'ImportDeclaration[specifiers.length=0][source.value=/[.]tsx?$/]',
          message: 'an import that takes nothing',
        },
        { selector: 'TSInterfaceDeclaration[id.name=/^I[A-Z][a-z]/]', message: 'no I prefix' },
      ],
    },
  },
  {
    files: ['test/**/*.{ts,tsx}'],
    rules: { 'no-console': 'off', 'max-lines': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    // A description of somebody else's module says what that exports.
    files: ['**/*.d.ts', '**/*.config.ts', '**/vite.config.ts', '**/vitest.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
