# From nothing to score rows: worlds, latents, the foundation, fine-tuned variants, grounding.

# ---- worlds ----


rule prepare:
    input:
        code=lambda w: code(step("prepare"), f"plainsight.worlds.{w.world}"),
    output:
        examples=f"{RUNS}/{{world}}/examples.parquet",
        world=f"{RUNS}/{{world}}/world.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/prepare.ipynb",
    params:
        settings=lambda w: plain(step("prepare"), SPACE.size(w.world), RECIPES.texts, RECIPES.confounders),
        data=lambda w: shlex.quote(DATA if worlds.reads_data(w.world) else ""),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/prepare.tsv"
    priority: 1000
    shell:
        execute(world="wildcards.world", data="params.data")


rule latents:
    input:
        lambda w: prepared(w.world),
        part("autoencoder"),
        code=code(step("latents"), stage("latents")),
    output:
        latents=f"{RUNS}/{{world}}/latents.safetensors",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/latents.ipynb",
    params:
        settings=plain(step("latents"), SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/latents.tsv"
    priority: 1000
    shell:
        execute(world="wildcards.world")


# ---- the foundation: trained on scenes, once ----


rule autoencoder:
    input:
        prepared("scenes"),
        prepared("phantom"),
        code=code(step("autoencoder"), stage("autoencoder")),
    output:
        model=part("autoencoder"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/autoencoder.ipynb",
    params:
        settings=plain(step("autoencoder"), SCALE.autoencoder, SCALE.resolution),
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/autoencoder.tsv"
    priority: 1000
    shell:
        execute()


rule text_encoder:
    input:
        prepared("scenes"),
        prepared("phantom"),
        code=code(step("text_encoder"), stage("text_encoder")),
    output:
        model=part("text_encoder"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/text_encoder.ipynb",
    params:
        settings=plain(step("text_encoder"), SCALE.text_encoder, SCALE.resolution),
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/text_encoder.tsv"
    priority: 1000
    shell:
        execute()


rule foundation:
    input:
        prepared(FOUNDATION_WORLD),
        part("autoencoder"),
        part("text_encoder"),
        f"{RUNS}/{FOUNDATION_WORLD}/latents.safetensors",
        code=code(step("foundation"), stage("foundation")),
    output:
        model=part("foundation"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/foundation.ipynb",
    params:
        settings=plain(step("foundation"), SCALE.unet, SCALE.denoising),
    threads: SCALE.foundation_threads
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/foundation.tsv"
    priority: 1000
    shell:
        execute()


# ---- what judges images that are made: trained on each world, never shown to the models ----


rule classifier:
    input:
        lambda w: prepared(w.world),
        code=code(step("classifier"), stage("classifier")),
    output:
        model=f"{RUNS}/{{world}}/models/classifier/seed0/run.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/classifier.ipynb",
    params:
        settings=plain(step("classifier"), SCALE.classifier, SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/classifier.tsv"
    priority: 90
    shell:
        execute(world="wildcards.world")


# ---- what can be known without a model, and what is asked ----


rule baselines:
    input:
        lambda w: prepared(w.world),
        code=code(step("baselines")),
    output:
        baselines("{world}"),
        notebook=f"{RUNS}/{{world}}/notebooks/steps/baselines.ipynb",
    params:
        settings=plain(step("baselines"), SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/baselines.tsv"
    priority: 90
    shell:
        execute(world="wildcards.world")


# ---- fine-tuned variants ----


rule train:
    input:
        lambda w: prepared(w.world),
        lambda w: model(w.world, RECIPES.variants[w.variant].base, w.seed),
        f"{RUNS}/{{world}}/latents.safetensors",
        code=code(step("train"), stage("finetune")),
    output:
        model=f"{RUNS}/{{world}}/models/{{variant}}/seed{{seed}}/run.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/train/{{variant}}_seed{{seed}}.ipynb",
    params:
        settings=lambda w: plain(step("train"), SCALE.denoising, *recipe(w.variant)),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/train/{{variant}}_seed{{seed}}.tsv"
    priority: lambda w: urgency(w.variant, w.seed)
    wildcard_constraints:
        variant="|".join(RECIPES.variants),
    shell:
        execute(world="wildcards.world", variant="wildcards.variant", seed="wildcards.seed")


for world, variant, protocols, reader in asked():

    rule:
        name:
            f"ground_{world}_{variant}_{protocols[0]}"
        input:
            prepared(world),
            lambda w, world=world, variant=variant: model(world, variant, w.seed),
            f"{RUNS}/{world}/latents.safetensors",
            code=code(step("ground")),
        output:
            [SPACE.scores(world, variant, "{seed}", protocol) for protocol in protocols],
            notebook=f"{RUNS}/{world}/notebooks/steps/ground/{variant}_seed{{seed}}_{protocols[0]}.ipynb",
        params:
            world=world,
            variant=variant,
            protocols=",".join(protocols),
            settings=plain(step("ground"), SCALE.grounding, SCALE.resolution, *(RECIPES.protocols[name] for name in protocols)),
        benchmark:
            f"{RUNS}/{world}/notebooks/steps/ground/{variant}_seed{{seed}}_{protocols[0]}.tsv"
        priority: turn(reader)
        shell:
            execute(world="params.world", variant="params.variant", seed="wildcards.seed", protocols="params.protocols")


# ---- every word by itself ----


rule word_counts:
    input:
        lambda w: prepared(w.world),
        lambda w: prepared(SPACE.size(w.world).models_from or w.world),
        code=code(step("word_counts")),
    output:
        word_counts("{world}"),
        notebook=f"{RUNS}/{{world}}/notebooks/steps/word_counts.ipynb",
    params:
        settings=plain(step("word_counts"), *recipe("finetune_f")),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/word_counts.tsv"
    priority: 90
    shell:
        execute(world="wildcards.world")


for world, variant, reader in worded():

    rule:
        name:
            f"words_{world}_{variant}"
        input:
            prepared(world),
            lambda w, world=world, variant=variant: model(world, variant, w.seed),
            f"{RUNS}/{world}/latents.safetensors",
            code=code(step("words")),
        output:
            by_word(world, variant, "{seed}"),
            notebook=f"{RUNS}/{world}/notebooks/steps/words/{variant}_seed{{seed}}.ipynb",
        params:
            world=world,
            variant=variant,
            settings=plain(step("words"), SCALE.grounding, SCALE.resolution, RECIPES.protocols["boxes"], RECIPES.texts["reports"]),
        benchmark:
            f"{RUNS}/{world}/notebooks/steps/words/{variant}_seed{{seed}}.tsv"
        priority: turn(reader)
        shell:
            execute(world="params.world", variant="params.variant", seed="wildcards.seed")


# ---- images of texts ----


for world, variant, weights, kinds, reader in generated():

    rule:
        name:
            f"generate_{world}_{variant}" + (f"_{weights}" if weights != "raw" else "")
        input:
            prepared(world),
            lambda w, world=world, variant=variant: model(world, variant, w.seed),
            [f"{RUNS}/{name}/models/classifier/seed0/run.json" for name in dict.fromkeys([FOUNDATION_WORLD, world])],
            code=code(step("generate")),
        output:
            [of_images(world, generation_scores.Made(variant, "{seed}", weights), kind) for kind in kinds],
            notebook=f"{RUNS}/{world}/notebooks/steps/generate/{variant}_{weights}_seed{{seed}}.ipynb",
        params:
            world=world,
            variant=variant,
            weights=weights,
            kinds=",".join(kinds),
            settings=plain(step("generate"), SCALE.generation, SCALE.resolution, SCALE.bootstrap_resamples, kinds),
        benchmark:
            f"{RUNS}/{world}/notebooks/steps/generate/{variant}_{weights}_seed{{seed}}.tsv"
        priority: turn(reader)
        shell:
            execute(world="params.world", variant="params.variant", seed="wildcards.seed", weights="params.weights", kinds="params.kinds")
