-- Brings the tables to the columns and enumerations of the contract's section 12.
ALTER TABLE users
  ADD COLUMN "firstName" text,
  ADD COLUMN "lastName" text,
  ADD COLUMN "emailVerified" boolean NOT NULL DEFAULT false;

ALTER TABLE user_sessions
  ADD COLUMN "ipAddress" text,
  ADD COLUMN "userAgent" text,
  ADD COLUMN "updatedAt" timestamp(3) NOT NULL DEFAULT now();
CREATE INDEX user_sessions_live ON user_sessions ("expiresAt") WHERE NOT "isRevoked";

CREATE TYPE "TaskStatus" AS ENUM
  ('PENDING', 'RUNNING', 'NEEDS_HELP', 'NEEDS_REVIEW', 'COMPLETED', 'CANCELLED', 'FAILED');
CREATE TYPE "TaskPriority" AS ENUM ('LOW', 'MEDIUM', 'HIGH', 'URGENT');
CREATE TYPE "TaskType" AS ENUM ('IMMEDIATE', 'SCHEDULED');
CREATE TYPE "Role" AS ENUM ('USER', 'ASSISTANT');

ALTER TABLE "Task"
  ALTER COLUMN status DROP DEFAULT,
  ALTER COLUMN priority DROP DEFAULT,
  ALTER COLUMN type DROP DEFAULT,
  ALTER COLUMN control DROP DEFAULT;
ALTER TABLE "Task"
  ALTER COLUMN status TYPE "TaskStatus"
    USING (CASE status WHEN 'IN_PROGRESS' THEN 'RUNNING' ELSE status END)::"TaskStatus",
  ALTER COLUMN priority TYPE "TaskPriority" USING priority::"TaskPriority",
  ALTER COLUMN type TYPE "TaskType" USING type::"TaskType",
  ALTER COLUMN control TYPE "Role" USING control::"Role",
  ADD COLUMN model text,
  ADD COLUMN error text,
  ADD COLUMN result jsonb,
  ADD COLUMN "scheduledFor" timestamp(3),
  ADD COLUMN "queuedAt" timestamp(3),
  ADD COLUMN "executedAt" timestamp(3),
  ADD COLUMN "completedAt" timestamp(3);
ALTER TABLE "Task"
  ALTER COLUMN status SET DEFAULT 'PENDING',
  ALTER COLUMN priority SET DEFAULT 'MEDIUM',
  ALTER COLUMN type SET DEFAULT 'IMMEDIATE',
  ALTER COLUMN control SET DEFAULT 'ASSISTANT';
