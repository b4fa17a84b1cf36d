-- The first edition of every table.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "api_key_mode" AS ENUM ('LIVE', 'SIMULATE');

-- CreateEnum
CREATE TYPE "device_token_status" AS ENUM ('ACTIVE', 'FAILED', 'REVOKED', 'EXPIRED');

-- CreateEnum
CREATE TYPE "channel" AS ENUM ('EMAIL', 'SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE', 'WEBHOOK');

-- CreateEnum
CREATE TYPE "unknown_policy" AS ENUM ('RESEND', 'FAIL');

-- CreateEnum
CREATE TYPE "provider_health" AS ENUM ('OK', 'FAILING', 'MISCONFIGURED');

-- CreateEnum
CREATE TYPE "message_status" AS ENUM ('ENQUEUED', 'DELAYED', 'ROUTED', 'SENT', 'DELIVERED', 'OPENED', 'CLICKED', 'DIGESTED', 'FILTERED', 'THROTTLED', 'SIMULATED', 'CANCELED', 'UNMAPPED', 'UNROUTABLE', 'UNDELIVERABLE');

-- CreateEnum
CREATE TYPE "message_reason" AS ENUM ('BOUNCED', 'EXPIRED', 'FAILED', 'FILTERED', 'NO_CHANNELS', 'NO_PROVIDERS', 'OPT_IN_REQUIRED', 'PROVIDER_ERROR', 'RENDER_ERROR', 'SNOOZED', 'TIMED_OUT', 'UNKNOWN', 'UNPUBLISHED', 'UNSUBSCRIBED');

-- CreateEnum
CREATE TYPE "delivery_status" AS ENUM ('ATTEMPTING', 'SENT', 'DELIVERED', 'OPENED', 'CLICKED', 'UNDELIVERABLE', 'RETRYING', 'UNKNOWN', 'SIMULATED');

-- CreateEnum
CREATE TYPE "event_stream" AS ENUM ('MESSAGE', 'INBOX');

-- CreateTable
CREATE TABLE "environment" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "environment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" TEXT NOT NULL,
    "environment_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "scopes" TEXT[],
    "mode" "api_key_mode" NOT NULL DEFAULT 'LIVE',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "keepsake" (
    "name" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "keepsake_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "user" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "profile" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "device_token" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "keys" TEXT,
    "provider_id" TEXT,
    "status" "device_token_status" NOT NULL DEFAULT 'ACTIVE',
    "status_reason" TEXT,
    "device" JSONB,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "device_token_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "provider" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "channel" "channel" NOT NULL,
    "name" TEXT,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "secrets" TEXT,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "on_unknown" "unknown_policy",
    "health" "provider_health" NOT NULL DEFAULT 'OK',
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "provider_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "request" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "mode" "api_key_mode" NOT NULL DEFAULT 'LIVE',
    "definition" JSONB NOT NULL,
    "expanded" BOOLEAN NOT NULL DEFAULT true,
    "accepted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "request_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "message" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "status" "message_status" NOT NULL DEFAULT 'ENQUEUED',
    "reason" "message_reason",
    "error" TEXT,
    "user_id" TEXT,
    "recipient" TEXT NOT NULL,
    "to" JSONB NOT NULL,
    "tenant_id" TEXT,
    "job_id" TEXT,
    "list_id" TEXT,
    "audience_id" TEXT,
    "resend_of" TEXT,
    "template_id" TEXT,
    "template_version" INTEGER,
    "topic_id" TEXT,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "trace_id" TEXT,
    "event" TEXT,
    "enqueued_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "scheduled_for" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "sent_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "opened_at" TIMESTAMPTZ(3),
    "clicked_at" TIMESTAMPTZ(3),
    "canceled_at" TIMESTAMPTZ(3),
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "message_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "plan" (
    "environment_id" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "decisions" JSONB NOT NULL,

    CONSTRAINT "plan_pkey" PRIMARY KEY ("environment_id","message_id")
);

-- CreateTable
CREATE TABLE "output" (
    "environment_id" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "channel" "channel" NOT NULL,
    "provider_id" TEXT NOT NULL DEFAULT '',
    "content" JSONB NOT NULL,

    CONSTRAINT "output_pkey" PRIMARY KEY ("environment_id","message_id","channel","provider_id")
);

-- CreateTable
CREATE TABLE "delivery" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "channel" "channel" NOT NULL,
    "provider_id" TEXT NOT NULL,
    "address" TEXT,
    "status" "delivery_status" NOT NULL,
    "reference" TEXT,
    "error" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sent_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "opened_at" TIMESTAMPTZ(3),
    "clicked_at" TIMESTAMPTZ(3),
    "next_attempt_at" TIMESTAMPTZ(3),
    "attempts" JSONB NOT NULL DEFAULT '[]',

    CONSTRAINT "delivery_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "dead_letter" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "message_id" TEXT,
    "payload" JSONB NOT NULL,
    "error" TEXT NOT NULL,
    "crashes" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dead_letter_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "idempotency" (
    "environment_id" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "result" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_pkey" PRIMARY KEY ("environment_id","operation","key")
);

-- CreateTable
CREATE TABLE "log_head" (
    "environment_id" TEXT NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0,
    "epoch" TEXT NOT NULL,
    "forgotten" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "log_head_pkey" PRIMARY KEY ("environment_id")
);

-- CreateTable
CREATE TABLE "event" (
    "environment_id" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "stream" "event_stream" NOT NULL,
    "type" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "message_id" TEXT,
    "request_id" TEXT,
    "job_id" TEXT,
    "user_id" TEXT,
    "tenant_id" TEXT,
    "status" "message_status",
    "reason" "message_reason",
    "channel" "channel",
    "provider_id" TEXT,
    "error" TEXT,
    "detail" JSONB,

    CONSTRAINT "event_pkey" PRIMARY KEY ("environment_id","position")
);

-- CreateTable
CREATE TABLE "job" (
    "id" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "fairness_key" TEXT NOT NULL,
    "run_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "payload" JSONB NOT NULL,
    "holder" TEXT,
    "fence" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "worker" (
    "id" TEXT NOT NULL,
    "heartbeat" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "worker_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "inbox_message" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "tenant_id" TEXT,
    "title" TEXT,
    "preview" TEXT,
    "body" TEXT,
    "actions" JSONB NOT NULL DEFAULT '[]',
    "data" JSONB NOT NULL DEFAULT '{}',
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "read_at" TIMESTAMPTZ(3),
    "opened_at" TIMESTAMPTZ(3),
    "archived_at" TIMESTAMPTZ(3),
    "clicked_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "inbox_message_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "api_key_hash_key" ON "api_key"("hash");

-- CreateIndex
CREATE INDEX "api_key_environment_id_created_at_id_idx" ON "api_key"("environment_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "device_token_environment_id_user_id_token_hash_key" ON "device_token"("environment_id", "user_id", "token_hash");

-- CreateIndex
CREATE INDEX "message_environment_id_enqueued_at_id_idx" ON "message"("environment_id", "enqueued_at", "id");

-- CreateIndex
CREATE INDEX "message_environment_id_request_id_id_idx" ON "message"("environment_id", "request_id", "id");

-- CreateIndex
CREATE INDEX "message_environment_id_user_id_id_idx" ON "message"("environment_id", "user_id", "id");

-- CreateIndex
CREATE INDEX "delivery_environment_id_message_id_id_idx" ON "delivery"("environment_id", "message_id", "id");

-- CreateIndex
CREATE INDEX "idempotency_expires_at_idx" ON "idempotency"("expires_at");

-- CreateIndex
CREATE INDEX "event_environment_id_message_id_position_idx" ON "event"("environment_id", "message_id", "position");

-- CreateIndex
CREATE INDEX "event_environment_id_request_id_position_idx" ON "event"("environment_id", "request_id", "position");

-- CreateIndex
CREATE INDEX "job_holder_idx" ON "job"("holder");

-- CreateIndex
CREATE INDEX "inbox_message_environment_id_user_id_created_at_id_idx" ON "inbox_message"("environment_id", "user_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "device_token" ADD CONSTRAINT "device_token_environment_id_user_id_fkey" FOREIGN KEY ("environment_id", "user_id") REFERENCES "user"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "message" ADD CONSTRAINT "message_environment_id_request_id_fkey" FOREIGN KEY ("environment_id", "request_id") REFERENCES "request"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_environment_id_message_id_fkey" FOREIGN KEY ("environment_id", "message_id") REFERENCES "message"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "output" ADD CONSTRAINT "output_environment_id_message_id_fkey" FOREIGN KEY ("environment_id", "message_id") REFERENCES "message"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_environment_id_message_id_fkey" FOREIGN KEY ("environment_id", "message_id") REFERENCES "message"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma cannot say.

-- Claims walk the fairness keys of a lane that have work nobody holds, then their oldest jobs.
CREATE INDEX "job_waiting" ON "job"("lane", "fairness_key", "run_at", "id") WHERE "holder" IS NULL;

-- Who follows a user, a tenant or a job reads its events without those of everybody else.
CREATE INDEX "event_of_user" ON "event"("environment_id", "user_id", "position") WHERE "user_id" IS NOT NULL;
CREATE INDEX "event_of_tenant" ON "event"("environment_id", "tenant_id", "position") WHERE "tenant_id" IS NOT NULL;
CREATE INDEX "event_of_job" ON "event"("environment_id", "job_id", "position") WHERE "job_id" IS NOT NULL;

-- Rows that live for seconds: leave room for updates in place, and look after them often.
ALTER TABLE "job" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE "log_head" SET (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE "worker" SET (fillfactor = 20);
ALTER TABLE "message" SET (fillfactor = 60);
ALTER TABLE "delivery" SET (fillfactor = 60);
