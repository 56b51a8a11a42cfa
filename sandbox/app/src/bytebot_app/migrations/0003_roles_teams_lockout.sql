-- Several roles for a user, roles of one's own, teams, the passwords before, failed sign-ins, and what runs once a day.
ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users
  ALTER COLUMN role DROP NOT NULL,
  ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
  ADD COLUMN "teamIds" text[] NOT NULL DEFAULT '{}';
UPDATE users SET roles = ARRAY[role];

CREATE TABLE roles (
  role text PRIMARY KEY,
  description text NOT NULL,
  "createdAt" timestamp(3) NOT NULL DEFAULT now()
);

-- What a role may do beyond what the application gives it by itself: everybody with the role, or one user of them.
CREATE TABLE role_permissions (
  id text PRIMARY KEY,
  "userId" text REFERENCES users (id) ON DELETE CASCADE,
  role text NOT NULL,
  permission text NOT NULL
);
CREATE UNIQUE INDEX role_permissions_once ON role_permissions (role, permission, coalesce("userId", ''));

CREATE TABLE password_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "userId" text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "passwordHash" text NOT NULL,
  "createdAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE INDEX password_history_user ON password_history ("userId", id);
INSERT INTO password_history ("userId", "passwordHash") SELECT id, "passwordHash" FROM users;

-- By a hash of the name that was tried: people type their password there, and names that nobody has are counted, too.
CREATE TABLE login_failures (
  "nameHash" text PRIMARY KEY,
  failures integer NOT NULL,
  "lastAt" timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE daily_jobs (
  name text PRIMARY KEY,
  "lastRunAt" timestamp(3) NOT NULL
);
INSERT INTO daily_jobs VALUES ('expired-sessions', timestamp '2000-01-01');

-- The refresh token's id is no longer kept as it is.
UPDATE user_sessions SET "refreshToken" = encode(sha256(convert_to("refreshToken", 'UTF8')), 'hex');

ALTER TABLE "Task" ADD COLUMN "teamId" text;
CREATE INDEX task_team ON "Task" ("teamId", "createdAt") WHERE "teamId" IS NOT NULL;
