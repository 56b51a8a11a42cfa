-- The tables of the contract's section 12 that this part of the application uses.
CREATE TABLE users (
  id text PRIMARY KEY,
  email text NOT NULL UNIQUE,
  username text NOT NULL UNIQUE,
  "passwordHash" text NOT NULL,
  role text NOT NULL CHECK (role IN ('ADMIN', 'OPERATOR', 'VIEWER', 'API_CONSUMER')),
  "isActive" boolean NOT NULL DEFAULT true,
  "lastLoginAt" timestamp(3),
  "createdAt" timestamp(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE user_sessions (
  id text PRIMARY KEY,
  "userId" text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "refreshToken" text NOT NULL UNIQUE,
  "isRevoked" boolean NOT NULL DEFAULT false,
  "expiresAt" timestamp(3) NOT NULL,
  "createdAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE INDEX user_sessions_user ON user_sessions ("userId");

CREATE TABLE "Task" (
  id text PRIMARY KEY,
  description text NOT NULL,
  type text NOT NULL DEFAULT 'IMMEDIATE',
  status text NOT NULL DEFAULT 'PENDING',
  priority text NOT NULL DEFAULT 'MEDIUM',
  control text NOT NULL DEFAULT 'ASSISTANT',
  "createdBy" text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  "createdAt" timestamp(3) NOT NULL DEFAULT now(),
  "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE INDEX task_created_by ON "Task" ("createdBy", "createdAt");
