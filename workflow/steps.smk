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
        part("autoencoder" if SCALE.pretrained is None else FOUNDATION),
        code=code(step("latents"), stage("latents")),
    output:
        latents=latents("{world}"),
        notebook=f"{RUNS}/{{world}}/notebooks/steps/latents.ipynb",
    params:
        settings=plain(step("latents"), SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/latents.tsv"
    priority: 1000
    shell:
        execute(world="wildcards.world")


# ---- the foundation, and what judges images that are made: trained here, or loaded ----


include: "trained.smk" if SCALE.pretrained is None else "pretrained.smk"


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
        lambda w: latents(w.world),
        lambda w: [] if w.part else first_part(w.world, w.variant, w.seed),
        code=code(step("train"), stage("finetune")),
    output:
        model=f"{RUNS}/{{world}}/models/{{variant}}/seed{{seed}}{{part}}/run.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/train/{{variant}}_seed{{seed}}{{part}}.ipynb",
    params:
        settings=lambda w: plain(step("train"), SCALE.denoising, *recipe(w.variant)),
        stops_early=lambda w: bool(w.part),
        until=lambda w: SCALE.denoising.first_look_steps if w.part else None,
    threads: lambda w: SCALE.threads_of("finetune", bool(w.part))
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/train/{{variant}}_seed{{seed}}{{part}}.tsv"
    priority: lambda w: urgency(w.variant, w.seed, bool(w.part))
    wildcard_constraints:
        variant="|".join(RECIPES.variants),
        part=f"({FIRST_LOOK})?",
    shell:
        execute(world="wildcards.world", variant="wildcards.variant", seed="wildcards.seed", stops_early="params.stops_early")


for world, variant, protocols, reader in asked():

    rule:
        name:
            f"ground_{world}_{variant}_{protocols[0]}"
        input:
            prepared(world),
            lambda w, world=world, variant=variant, protocols=protocols: asked_model(world, variant, w.seed, protocols),
            latents(world),
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
            latents(world),
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
