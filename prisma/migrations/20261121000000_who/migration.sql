-- CreateEnum
CREATE TYPE "preference_status" AS ENUM ('OPTED_IN', 'OPTED_OUT', 'REQUIRED');

-- AlterTable
ALTER TABLE "request" ADD COLUMN     "expansion" JSONB;

-- CreateTable
CREATE TABLE "topic" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "section" TEXT,
    "default_status" "preference_status" NOT NULL,
    "channels" "channel"[] DEFAULT ARRAY[]::"channel"[],
    "include_unsubscribe_header" BOOLEAN NOT NULL DEFAULT false,
    "exempt_from_send_limits" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "topic_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "preference" (
    "environment_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "topic_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL DEFAULT '',
    "status" "preference_status" NOT NULL,
    "channels" "channel"[] DEFAULT ARRAY[]::"channel"[],
    "snoozed_until" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "preference_pkey" PRIMARY KEY ("environment_id","user_id","topic_id","tenant_id")
);

-- CreateTable
CREATE TABLE "list" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "preferences" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "list_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "list_subscription" (
    "environment_id" TEXT NOT NULL,
    "list_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "subscribed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "list_subscription_pkey" PRIMARY KEY ("environment_id","list_id","user_id")
);

-- CreateTable
CREATE TABLE "audience" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "filter" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audience_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "tenant" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "parent_id" TEXT,
    "brand_id" TEXT,
    "properties" JSONB NOT NULL DEFAULT '{}',
    "profile" JSONB NOT NULL DEFAULT '{}',
    "default_preferences" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateTable
CREATE TABLE "tenant_member" (
    "environment_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "profile" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_member_pkey" PRIMARY KEY ("environment_id","tenant_id","user_id")
);

-- CreateTable
CREATE TABLE "brand" (
    "environment_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "snippets" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "brand_pkey" PRIMARY KEY ("environment_id","id")
);

-- CreateIndex
CREATE INDEX "preference_environment_id_topic_id_idx" ON "preference"("environment_id", "topic_id");

-- CreateIndex
CREATE INDEX "list_subscription_environment_id_user_id_list_id_idx" ON "list_subscription"("environment_id", "user_id", "list_id");

-- CreateIndex
CREATE INDEX "tenant_environment_id_parent_id_id_idx" ON "tenant"("environment_id", "parent_id", "id");

-- CreateIndex
CREATE INDEX "tenant_environment_id_brand_id_idx" ON "tenant"("environment_id", "brand_id");

-- CreateIndex
CREATE INDEX "tenant_member_environment_id_user_id_tenant_id_idx" ON "tenant_member"("environment_id", "user_id", "tenant_id");

-- CreateIndex
CREATE INDEX "user_profile" ON "user" USING GIN ("profile" jsonb_path_ops);

-- AddForeignKey
ALTER TABLE "preference" ADD CONSTRAINT "preference_environment_id_user_id_fkey" FOREIGN KEY ("environment_id", "user_id") REFERENCES "user"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "preference" ADD CONSTRAINT "preference_environment_id_topic_id_fkey" FOREIGN KEY ("environment_id", "topic_id") REFERENCES "topic"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "list_subscription" ADD CONSTRAINT "list_subscription_environment_id_list_id_fkey" FOREIGN KEY ("environment_id", "list_id") REFERENCES "list"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "list_subscription" ADD CONSTRAINT "list_subscription_environment_id_user_id_fkey" FOREIGN KEY ("environment_id", "user_id") REFERENCES "user"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_environment_id_parent_id_fkey" FOREIGN KEY ("environment_id", "parent_id") REFERENCES "tenant"("environment_id", "id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "tenant_member" ADD CONSTRAINT "tenant_member_environment_id_tenant_id_fkey" FOREIGN KEY ("environment_id", "tenant_id") REFERENCES "tenant"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tenant_member" ADD CONSTRAINT "tenant_member_environment_id_user_id_fkey" FOREIGN KEY ("environment_id", "user_id") REFERENCES "user"("environment_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma cannot say.

-- What was chosen in one tenant, which goes with it.
CREATE INDEX "preference_of_tenant" ON "preference"("environment_id", "tenant_id") WHERE "tenant_id" <> '';

-- What was inserted and not yet sorted into the index is searched one by one: keep that little.
ALTER INDEX "user_profile" SET (gin_pending_list_limit = 256);

-- The instant that a text of ISO 8601 names, or null: a day is its midnight, and without an offset it is UTC. Profiles hold
-- what callers put there, so a text that only looks like a date (30 February) must not end the query. It is found out before
-- it is cast: a function that catches an exception cannot run in parallel before PostgreSQL 17, and is no faster.
CREATE FUNCTION "iso_instant"("given" TEXT) RETURNS TIMESTAMPTZ
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET timezone = 'UTC' AS $$
BEGIN
  IF given !~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-4]):[0-5][0-9](:([0-5][0-9]|60)([.][0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?)?$'
    OR given LIKE '0000%' THEN
    RETURN NULL;
  END IF;
  IF substr(given, 9, 2) > '28'
    AND substr(given, 9, 2)::int > date_part('day', (left(given, 8) || '01')::date + interval '1 month' - interval '1 day') THEN
    RETURN NULL;
  END IF;
  -- An hour 24 and a second 60 begin the next hour or minute, as long as that is no later than midnight.
  IF (given LIKE '___________24:%' OR given LIKE '________________:60%')
    AND substring(given from '[0-9:.]{5,}')::interval > '24:00' THEN
    RETURN NULL;
  END IF;
  RETURN given::timestamptz;
END
$$;
